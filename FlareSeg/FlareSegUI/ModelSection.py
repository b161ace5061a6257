"""The model in the section Advanced: choose, import from a file, see what it is."""

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from FlareSegLib.base.config import read_model_config
from FlareSegLib.base.errors import ModelError
from FlareSegUI import Models
from FlareSegUI.Parameter import FlareSegParameterNode


class ModelSection:
    """Binds the widgets of the model to the parameter node."""

    def __init__(self, ui: object, onChanged: Callable[[], None]) -> None:
        self._ui = ui
        self._onChanged = onChanged
        self._parameters: FlareSegParameterNode | None = None
        self._folders: list[str] = []
        ui.modelComboBox.connect("currentIndexChanged(int)", self._onChosen)
        ui.importButton.connect("clicked(bool)", self.onImportButton)

    def show(self, parameters: FlareSegParameterNode) -> None:
        """Show the model of a parameter node, and write into it from now on."""
        self._parameters = None
        chosen = parameters.modelFolder
        self._folders = ["", *map(str, Models.importedModels())]
        if chosen not in self._folders:
            self._folders.append(chosen)
        self._ui.modelComboBox.clear()
        for folder in self._folders:
            self._ui.modelComboBox.addItem(Path(folder).name if folder else _("the one that ships"))
        self._ui.modelComboBox.currentIndex = self._folders.index(chosen)
        self._parameters = parameters
        self._showFacts()

    def onImportButton(self, _checked: bool = False) -> None:
        """Import a model from the zip file, or from the model.json, that the user chooses."""
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Import a model"), "", _("Model (*.zip model.json)")
        )
        if path:
            with slicer.util.tryWithErrorDisplay(_("The model cannot be imported.")):
                self.importFrom(Path(path))

    def importFrom(self, path: Path) -> None:
        """Import a model and choose it.

        Raises:
            ModelError: There is no whole model.
        """
        parameters = self._parameters
        source = path.parent if path.name == "model.json" else path
        parameters.modelFolder = str(Models.importModel(source))
        self.show(parameters)
        self._onChanged()

    def _onChosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.modelFolder = self._folders[index]
            self._showFacts()
            self._onChanged()

    def _showFacts(self) -> None:
        from FlareSegLib.pipeline import default_model

        try:
            config = read_model_config(Path(self._parameters.modelFolder or default_model()))
        except ModelError as error:
            self._ui.modelLabel.text = str(error)
            return
        spacing = " x ".join(f"{mm:g}" for mm in config.spacing_mm)
        self._ui.modelLabel.text = _("{name} {version}, {spacing} mm, sha256 {sha256}…").format(
            name=config.name, version=config.version, spacing=spacing, sha256=config.sha256[:12]
        )
