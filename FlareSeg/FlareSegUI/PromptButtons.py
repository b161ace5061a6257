"""The widgets of the section *Lesion or correction*: what places something, and what changes it."""

import qt
from slicer.i18n import tr as _


def build(
    layout: "qt.QLayout",
    section: "PromptSection",  # noqa: F821
) -> tuple[dict[str, "qt.QPushButton"], "qt.QLabel", "qt.QMenu"]:
    """Add the section to a layout; return buttons by key, the line of its state, and the menu."""
    box = qt.QGroupBox(_("Lesion or correction: a box, a line or clicks"))
    rows = qt.QVBoxLayout(box)
    found = {}
    for buttons in (_placing(section), _choosing(), _changing(section)):
        row = qt.QHBoxLayout()
        rows.addLayout(row)
        for key, text, tip, method in buttons:
            button = found[key] = qt.QPushButton(text)
            button.toolTip = tip
            button.connect("clicked(bool)", method)
            row.addWidget(button)
    menu = qt.QMenu(found["correct"])
    menu.connect("aboutToShow()", section.fillMenu)
    found["correct"].setMenu(menu)
    status = qt.QLabel("")
    status.wordWrap = True
    rows.addWidget(status)
    layout.addWidget(box)
    return found, status, menu


def _placing(section: "PromptSection") -> list[tuple]:  # noqa: F821
    """Return key, text, tip and what it does, of each button that places something."""
    named = [
        ("box", _("Box"), _("Draw a box around a thing; a flat one has its depth found")),
        ("line", _("Line"), _("Draw the longest diameter of a thing")),
        ("inside", "+", _("Click where the thing is")),
        ("outside", "\u2212", _("Click where the thing is not")),
    ]
    return [(*one, lambda _=False, kind=one[0]: section.place(kind)) for one in named]


def _choosing() -> list[tuple]:
    tip = _("Choose an organ, or a lesion that is done: + and \u2212 correct it")
    return [("correct", _("Correct an organ or lesion"), tip, lambda _=False: None)]


def _changing(section: "PromptSection") -> list[tuple]:  # noqa: F821
    undo = _("Take back the box, line or click that was placed or moved last")
    done = _("Keep this lesion; what is placed next begins another")
    return [
        ("undo", _("Undo"), undo, section.onUndo),
        ("redo", _("Redo"), _("Do again what was taken back"), section.onRedo),
        ("cancel", _("Discard"), _("Remove this lesion, or all corrections"), section.onDiscard),
        ("done", _("Done"), done, section.onDone),
    ]
