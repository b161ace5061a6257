"""FlareSeg's own packages in the section Advanced: what is there, wheels, removal."""

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from FlareSegUI import Packages


class PackageSection:
    """Binds the widgets of the packages."""

    def __init__(self, ui: object, onInstallFrom: Callable[[Path], None]) -> None:
        self._ui = ui
        self._onInstallFrom = onInstallFrom
        ui.wheelsButton.connect("clicked(bool)", self.onWheelsButton)
        ui.removePackagesButton.connect("clicked(bool)", self.onRemoveButton)
        self.show()

    def show(self) -> None:
        """Show what is installed."""
        own = Packages.inOwnFolder()
        self._ui.packagesLabel.text = ", ".join(own) or _("nothing installed by FlareSeg")
        self._ui.packagesLabel.toolTip = str(Packages.ownFolder())
        self._ui.removePackagesButton.enabled = bool(own)

    def onWheelsButton(self, _checked: bool = False) -> None:
        """Install from a folder that the user chooses, without network."""
        folder = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder with wheels (.whl)")
        )
        if folder:
            self._onInstallFrom(Path(folder))

    def onRemoveButton(self, _checked: bool = False) -> None:
        """Remove what FlareSeg installed."""
        Packages.removePackages()
        self.show()
