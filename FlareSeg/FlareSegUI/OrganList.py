"""The list of the model's organs with a tick before each."""

from collections.abc import Callable

import qt

from FlareSegLib.base.labels import LabelSet, Organ
from FlareSegUI.Parameter import ALL_ORGANS

SWATCH_PIXELS = 12


class OrganList:
    """Shows the organs in a QListWidget; tells when the choice changes."""

    def __init__(self, widget: "qt.QListWidget", onChanged: Callable[[str], None]) -> None:
        self._onChanged = onChanged
        self._widget = widget
        self._isFilling = False
        self._organs: tuple[Organ, ...] = ()
        widget.connect("itemChanged(QListWidgetItem*)", self._onItemChanged)

    def follow(self, labels: LabelSet) -> None:
        """List the organs of a model; if they are others than before, all are ticked."""
        if labels.organs == self._organs:
            return
        self._isFilling = True
        self._organs = labels.organs
        self._widget.clear()
        self._widget.addItems([organ.name for organ in self._organs])
        for i, organ in enumerate(self._organs):
            self._widget.item(i).setIcon(qt.QIcon(_swatch(organ.color)))
            self._widget.item(i).setCheckState(qt.Qt.Checked)
        self._isFilling = False

    @property
    def text(self) -> str:
        """Return "all", or the keys of the ticked organs with commas between; "" for none."""
        keys = [organ.key for i, organ in enumerate(self._organs) if self._isTicked(i)]
        return ALL_ORGANS if len(keys) == len(self._organs) else ",".join(keys)

    def show(self, text: str) -> None:
        """Tick the organs of such a text; does not tell that it changed."""
        keys = text.split(",")
        self._isFilling = True
        for i, organ in enumerate(self._organs):
            isTicked = text == ALL_ORGANS or organ.key in keys
            self._widget.item(i).setCheckState(qt.Qt.Checked if isTicked else qt.Qt.Unchecked)
        self._isFilling = False

    def choose(self, text: str) -> None:
        """Tick the organs of such a text, and tell it."""
        self.show(text)
        self._onChanged(self.text)

    def _isTicked(self, row: int) -> bool:
        return self._widget.item(row).checkState() == qt.Qt.Checked

    def _onItemChanged(self, _: "qt.QListWidgetItem") -> None:
        if not self._isFilling:
            self._onChanged(self.text)


def _swatch(color: tuple[int, int, int]) -> "qt.QPixmap":
    pixmap = qt.QPixmap(SWATCH_PIXELS, SWATCH_PIXELS)
    pixmap.fill(qt.QColor(*color))
    return pixmap
