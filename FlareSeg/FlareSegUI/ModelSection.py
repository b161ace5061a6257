"""The model in the section Advanced: choose, add from a file or folder, see what it is."""

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.paths import DEFAULT_MODEL
from FlareSegLib.models.sources import holds_trained
from FlareSegUI import Models
from FlareSegUI.Parameter import FlareSegParameterNode
from FlareSegUI.Words import inPanel

CARD = "MODEL_CARD.md"


class ModelSection:
    """Binds the widgets of the model to the parameter node."""

    def __init__(
        self,
        ui: object,
        onChanged: Callable[[], None],
        onConvert: Callable[[Path, Callable[[Path], None]], None],
    ) -> None:
        """Take the widgets.

        Args:
            ui: Has them.
            onChanged: Is called when another model is chosen.
            onConvert: Takes a trained nnU-Net, and what is called with the model made of it.
        """
        self._ui, self._onConvert = ui, onConvert
        self._onChanged = onChanged
        self._parameters: FlareSegParameterNode | None = None
        self._folders: list[str] = []
        ui.modelComboBox.connect("currentIndexChanged(int)", self._onChosen)
        ui.addModelButton.connect("clicked(bool)", self.onAddButton)
        ui.addModelFolderButton.connect("clicked(bool)", self.onAddFolderButton)
        ui.cardButton.connect("clicked(bool)", self.onCardButton)
        ui.removeModelButton.connect("clicked(bool)", self.onRemoveButton)

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

    def onAddButton(self, _checked: bool = False) -> None:
        """Add a model from the file that the user chooses."""
        kinds = _("Model or trained nnU-Net (*.zip *.onnx model.json plans.json)")
        self._add(
            qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), _("Add a model"), "", kinds)
        )

    def onAddFolderButton(self, _checked: bool = False) -> None:
        """Add a model from the folder that the user chooses."""
        title = _("Folder of a model or of a trained nnU-Net")
        self._add(qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title))

    def _add(self, path: str) -> None:
        if path:
            with slicer.util.tryWithErrorDisplay(_("The model cannot be added.")):
                self.importFrom(Path(path))

    def onCardButton(self, _checked: bool = False) -> None:
        """Show the model card in the program of this computer for text."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._folder / CARD)))

    def onRemoveButton(self, _checked: bool = False) -> None:
        """Remove the chosen model, if the user agrees; the one that ships is chosen then."""
        question = _('Remove the model "{name}" from this computer?').format(name=self._folder.name)
        if slicer.util.confirmOkCancelDisplay(question, windowTitle="FlareSeg"):
            Models.removeModel(self._folder)
            self._parameters.modelFolder = ""
            self.show(self._parameters)
            self._onChanged()

    @property
    def _folder(self) -> Path:
        return Path(self._parameters.modelFolder or DEFAULT_MODEL)

    def importFrom(self, path: Path) -> None:
        """Add a model and choose it; a trained nnU-Net is converted first, which takes a while.

        Raises:
            ModelError: There is no whole model, or it has to be converted on another computer.
        """
        source = path.parent if path.name in ("model.json", "plans.json") else path
        if not holds_trained(source):
            self._choose(Models.importModel(source))
        elif reason := Models.whyNotConvert():
            raise ModelError(reason)
        else:
            self._onConvert(source, self._choose)

    def _choose(self, folder: Path) -> None:
        parameters = self._parameters
        parameters.modelFolder = str(folder)
        self.show(parameters)
        self._onChanged()

    def _onChosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.modelFolder = self._folders[index]
            self._showFacts()
            self._onChanged()

    def _showFacts(self) -> None:
        folder = self._folder
        self._ui.cardButton.enabled = (folder / CARD).is_file()
        self._ui.removeModelButton.enabled = folder in Models.importedModels()
        try:
            config = read_model_config(folder)
        except ModelError as error:
            self._ui.modelLabel.text = inPanel(str(error))
            return
        spacing = " x ".join(f"{mm:.3g}" for mm in config.spacing_mm)
        megabytes = sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6
        text = _("{name} {version}: {count} organs, {spacing} mm, {size:.0f} MB, sha256 {sha256}…")
        facts = text.format(
            name=config.name,
            version=config.version,
            count=len(config.label_set.organs),
            spacing=spacing,
            size=megabytes,
            sha256=config.sha256[:12],
        )
        self._ui.modelLabel.text = "\n".join([facts, *_originOf(config)])


def _originOf(config: ModelConfig) -> list[str]:
    """Return lines on whose model it is; none for the one that ships, which has a card."""
    if not config.is_foreign:
        return []
    source, licence = config.source or _("unknown"), config.licence or _("not said")
    lines = [
        _("Not a model of FlareSeg. Source: {source}").format(source=source),
        _("Licence: {licence}").format(licence=licence),
    ]
    return lines + ([_("Cite: {work}").format(work=config.citation)] if config.citation else [])
