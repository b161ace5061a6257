"""The table of organs and lesions: volume, mean HU, diameters and what to look at."""

import csv
import io
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

HARMLESS = {"touches_border", "out_of_field", "corrected", "little_changed"}
"""Vessels always reach an edge, and who corrects has looked; other flags ask people to look."""
NO_VALUE = "–"  # noqa: RUF001  an en dash, as in printed tables
AT_LEAST = "\u2265 "
"""Before the volume of an organ that is cut by the edge of the scan."""
ROW_PIXELS = 21
LEAST_PIXELS = 30
LOOK_COLOR = (196, 85, 0)
NO_COLOR = (128, 128, 128)


def shortNotes() -> dict[str, str]:
    """Return notes that fit into a narrow panel; the whole sentence is in the tooltip."""
    return {
        "absent": _("not found"),
        "touches_border": _("cut off"),
        "implausible_volume": _("unusual volume"),
        "wrong_side": _("wrong side?"),
        "several_components": _("several pieces"),
        "uniform_hu": _("HU do not vary"),
        "out_of_field": _("outside the scan"),
        "wide": _("wide"),
        "doubtful": _("doubtful"),
        "empty": _("nothing found"),
        "touches_box": _("cut by its box"),
        "corrected": _("corrected"),
        "little_changed": _("little changed"),
    }


def whatToLookAt(report: dict) -> list[str]:
    """Return what people should know first: flags of the scan, warnings, organs to look at."""
    names = [organ["name"] for organ in report["organs"] if set(organ["flags"]) - HARMLESS]
    found = [_("Please look at: {organs}").format(organs=", ".join(names))] if names else []
    return [*report["flags"].values(), *report.get("warnings", ()), *found]


def columns() -> list[str]:
    """Return the titles."""
    return [_("Organ"), _("Note"), _("ml"), _("HU")]


def rowsOf(report: dict) -> list[list[str]]:
    """Return the text of each cell, in the order of the labels."""
    return [_cells(organ, "; ".join(organ["flags"].values())) for organ in report["organs"]]


def _cells(organ: dict, note: str) -> list[str]:
    isFound = organ["mean_hu"] is not None
    bound = AT_LEAST if organ.get("is_lower_bound") else ""
    volume = f"{bound}{organ['volume_ml']:.1f}" if isFound else NO_VALUE
    mean = f"{organ['mean_hu']:z.0f}" if isFound else NO_VALUE
    return [organ["name"], "; ".join(filter(None, [organ.get("size"), note])), volume, mean]


def asksToLook(organ: dict) -> bool:
    """Return whether a person should look at this organ."""
    return bool(set(organ["flags"]) - HARMLESS)


def toCsv(report: dict, delimiter: str = ",") -> str:
    """Return the table as text, for a file or (with tabs) for a spreadsheet."""
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns())
    writer.writerows(rowsOf(report))
    return lines.getvalue()


def fill(table: "qt.QTableWidget", report: dict | None) -> None:
    """Show a report, organs to look at first; None empties the table."""
    organs = sorted(report["organs"], key=asksToLook, reverse=True) if report else []
    table.setColumnCount(len(columns()))
    table.setHorizontalHeaderLabels(columns())
    table.setRowCount(len(organs))
    for row, organ in enumerate(organs):
        note = "; ".join(shortNotes().get(flag, flag) for flag in organ["flags"])
        for column, text in enumerate(_cells(organ, note)):
            item = _item(text, organ.get("color", NO_COLOR), column, asksToLook(organ))
            item.setToolTip(". ".join([*organ["flags"].values(), *_hints(organ)]) or text)
            table.setItem(row, column, item)
    fitColumns(table, wide=1)


def _hints(organ: dict) -> list[str]:
    """Return what to know of the row of a lesion."""
    if "size" not in organ:
        return []
    return [_("Measured when it was found; later changes by hand are not in these numbers")]


def fitColumns(table: "qt.QTableWidget", wide: int) -> None:
    """Give each column the width of its text, and one of them what is left."""
    table.setWordWrap(False)
    table.verticalHeader().setDefaultSectionSize(ROW_PIXELS)
    header = table.horizontalHeader()
    header.setMinimumSectionSize(LEAST_PIXELS)
    for column in range(table.columnCount):
        isWide = column == wide
        mode = qt.QHeaderView.Stretch if isWide else qt.QHeaderView.ResizeToContents
        header.setSectionResizeMode(column, mode)


def _item(text: str, color: list[int], column: int, isFlagged: bool) -> "qt.QTableWidgetItem":
    item = qt.QTableWidgetItem(text)
    if column == 0:
        pixmap = qt.QPixmap(12, 12)
        pixmap.fill(qt.QColor(*color))
        item.setIcon(qt.QIcon(pixmap))
    if column in (2, 3):
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    if column == 1 and isFlagged:
        item.setForeground(qt.QBrush(qt.QColor(*LOOK_COLOR)))
    return item


class ResultSection:
    """The section Results of the panel."""

    def __init__(self, ui: object) -> None:
        self._ui = ui
        self._report: dict | None = None
        ui.copyButton.connect("clicked(bool)", self.onCopyButton)
        ui.saveButton.connect("clicked(bool)", self.onSaveButton)

    def show(self, report: dict | None, lesions: list[dict] | None = None, of: str = "") -> None:
        """Show the organs of a report, and lesions; neither empties the table.

        Args:
            report: Of a run.
            lesions: See Lesions.rowsOf().
            of: Name of the CT of the lesions.
        """
        organs = report["organs"] if report else []
        self._report = {"organs": [*organs, *(lesions or [])]} if report or lesions else None
        fill(self._ui.resultTable, self._report)
        isThere = self._report is not None
        self._ui.resultTable.visible = self._ui.resultLabel.visible = isThere
        of = report["run"].get("input", "") if report else of
        title = _("Organs of {name}") if report else _("Lesions of {name}")
        self._ui.resultLabel.text = title.format(name=of)
        self._ui.copyButton.enabled = self._ui.saveButton.enabled = isThere

    def onCopyButton(self, _checked: bool = False) -> None:
        """Copy the table, for a spreadsheet."""
        slicer.app.clipboard().setText(toCsv(self._report, delimiter="\t"))

    def onSaveButton(self, _checked: bool = False) -> None:
        """Save the table as CSV, where the user says."""
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Save the table"), "organs.csv", "CSV (*.csv)"
        )
        if path:
            Path(path).write_text(toCsv(self._report), encoding="utf-8")
