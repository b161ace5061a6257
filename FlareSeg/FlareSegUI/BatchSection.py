"""The section Batch of the panel: a folder of CTs in, a folder of results and a report out."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import ctk
import qt
from slicer.i18n import tr as _

from FlareSegLib.base.labels import LabelSet
from FlareSegUI import Models
from FlareSegUI.Parameter import FORMATS, FlareSegParameterNode
from FlareSegUI.ResultTable import HARMLESS, LOOK_COLOR, fitColumns, shortNotes
from FlareSegUI.Words import inPanel

SUMMARY = "summary.csv"
"""As in FlareSegLib.batch.run, which imports the whole core."""


class BatchSection:
    """Binds the widgets of the section to the parameter node, and tells why it cannot start."""

    def __init__(self, ui: object, onChanged: Callable[[], None]) -> None:
        self._ui = ui
        self._onChanged = onChanged
        self._parameters: FlareSegParameterNode | None = None
        for path in (ui.batchInputPath, ui.batchOutputPath):
            path.filters = ctk.ctkPathLineEdit.Dirs
            path.connect("currentPathChanged(QString)", self._onPath)
            path.connect("validInputChanged(bool)", self._onPath)  # an emptied field says only this
        ui.batchFolderButton.connect("clicked(bool)", self.onFolderButton)
        ui.batchTable.visible = False

    def show(self, parameters: FlareSegParameterNode) -> None:
        """Show the folders of a parameter node, and write into it from now on."""
        self._parameters = None
        self._ui.batchInputPath.currentPath = parameters.batchInput
        self._ui.batchOutputPath.currentPath = parameters.batchOutput
        self._parameters = parameters
        self._enableFolder()

    def _onPath(self, _: str | bool) -> None:
        if self._parameters is not None:
            self.takePaths()
            self._enableFolder()
            self._onChanged()

    def takePaths(self) -> None:
        """Take the folders as they stand in the fields."""
        self._parameters.batchInput = self._ui.batchInputPath.currentPath
        self._parameters.batchOutput = self._ui.batchOutputPath.currentPath

    def _enableFolder(self) -> None:
        folder = self._parameters.batchOutput
        self._ui.batchFolderButton.enabled = bool(folder) and Path(folder).is_dir()

    def onFolderButton(self, _checked: bool = False) -> None:
        """Show the folder of the results in the program of this computer for files."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(self._parameters.batchOutput))

    def showReport(self, folder: Path) -> str:
        """Show what became of each case; return how many ended how, "" if nothing is known.

        Args:
            folder: Of the results.
        """
        rows = readSummary(folder / SUMMARY)
        _fill(self._ui.batchTable, rows, Models.labelsOf(self._parameters.modelFolder))
        self._enableFolder()
        counts = Counter(row.get("status", "") for row in rows)
        return ", ".join(f"{count} {_words().get(word, word)}" for word, count in counts.items())


def _words() -> dict[str, str]:
    return {"ok": _("done"), "failed": _("failed"), "skipped": _("skipped, done before")}


_COLUMNS = ("case", "status", "reason")


def readSummary(path: Path) -> list[dict[str, str]]:
    """Return the lines of a summary.csv; none if it is not there."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def _fill(table: "qt.QTableWidget", rows: list[dict[str, str]], labels: LabelSet) -> None:
    """Show the cases, the failed ones first."""
    table.setColumnCount(len(_COLUMNS))
    table.setHorizontalHeaderLabels([_("Case"), _("State"), _("Note")])
    table.setRowCount(len(rows))
    for i, row in enumerate(sorted(rows, key=lambda row: row.get("status") != "failed")):
        hasFailed = row.get("status") == "failed"
        note = inPanel(row.get("reason") or "") or noteOf(row.get("flags", ""), labels)
        state = _words().get(row.get("status", ""), row.get("status", ""))
        for column, text in enumerate((row.get("case", ""), state, note)):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            if hasFailed:
                item.setForeground(qt.QBrush(qt.QColor(*LOOK_COLOR)))
            table.setItem(i, column, item)
    fitColumns(table, wide=2)
    table.visible = bool(rows)


def noteOf(flags: str, labels: LabelSet) -> str:
    """Return what asks people to look, of the flags of a case in summary.csv."""
    notes = []
    for text in flags.split(";"):
        key, _colon, flag = text.rpartition(":")
        if flag and flag not in HARMLESS:
            word = shortNotes().get(flag, flag.replace("_", " "))
            known = labels.by_key.get(key)
            notes.append(f"{known.name} {word}" if known else word)
    return "; ".join(notes)


def whyNotBatch(parameters: FlareSegParameterNode) -> str | None:
    """Return why the batch cannot start, for people; None if it can."""
    if not parameters.batchInput or not Path(parameters.batchInput).is_dir():
        return _("Choose a folder with CTs (files, or a folder of DICOM files per case)")
    if not parameters.organs:
        return _("Tick at least one organ")
    if not parameters.batchOutput:
        return _("Choose a folder for the results")
    if Path(parameters.batchInput).resolve() == Path(parameters.batchOutput).resolve():
        return _("Choose another folder for the results than that of the CTs")
    return None


def batchArguments(parameters: FlareSegParameterNode) -> list[str]:
    """Return the words for `flareseg batch`."""
    words = [
        str(Path(parameters.batchInput).resolve()),  # the worker works in a folder of its own
        str(Path(parameters.batchOutput).resolve()),
        "--format",
        FORMATS[parameters.batchFormat],
    ]
    words += ["--skip-existing"] if parameters.batchSkipExisting else []
    words += ["--progress", "json"]
    return words + parameters.options().toArguments()
