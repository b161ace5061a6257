"""The section Batch of the panel: a folder of CTs in, a folder of results out."""

from collections.abc import Callable
from pathlib import Path

import ctk
from slicer.i18n import tr as _

from FlareSegUI.Parameter import FlareSegParameterNode


class BatchSection:
    """Binds the widgets of the section to the parameter node, and tells why it cannot start."""

    def __init__(self, ui: object, onChanged: Callable[[], None]) -> None:
        self._ui = ui
        self._onChanged = onChanged
        self._parameters: FlareSegParameterNode | None = None
        for path in (ui.batchInputPath, ui.batchOutputPath):
            path.filters = ctk.ctkPathLineEdit.Dirs
        ui.batchInputPath.connect("currentPathChanged(QString)", self._onPath)
        ui.batchOutputPath.connect("currentPathChanged(QString)", self._onPath)

    def show(self, parameters: FlareSegParameterNode) -> None:
        """Show the folders of a parameter node, and write into it from now on."""
        self._parameters = None
        self._ui.batchInputPath.currentPath = parameters.batchInput
        self._ui.batchOutputPath.currentPath = parameters.batchOutput
        self._parameters = parameters

    def _onPath(self, _: str) -> None:
        if self._parameters is not None:
            self._parameters.batchInput = self._ui.batchInputPath.currentPath
            self._parameters.batchOutput = self._ui.batchOutputPath.currentPath
            self._onChanged()


def whyNotBatch(parameters: FlareSegParameterNode) -> str | None:
    """Return why the batch cannot start, for people; None if it can."""
    if not parameters.batchInput or not Path(parameters.batchInput).is_dir():
        return _("Choose a folder with CTs (files, or a folder of DICOM files per case)")
    if not parameters.batchOutput:
        return _("Choose a folder for the results")
    if Path(parameters.batchInput).resolve() == Path(parameters.batchOutput).resolve():
        return _("Choose another folder for the results than that of the CTs")
    return None


def batchArguments(parameters: FlareSegParameterNode) -> list[str]:
    """Return the words for `flareseg batch`."""
    words = [parameters.batchInput, parameters.batchOutput, "--format", ".seg.nrrd"]
    words += ["--skip-existing"] if parameters.batchSkipExisting else []
    words += ["--progress", "json"]
    return words + parameters.options().toArguments()
