"""The widgets of CTK that the panel uses.

Stands for ctkCollapsibleButton, ctkPathLineEdit and ctkMessageBox of CTK 868d56c (Libs/Widgets).
"""

from Testing.slicer.rig import qt

HEADER_PIXELS = 26
INDENT_PIXELS = 8
asked: list[str] = []
"""The texts of the message boxes that would have been shown."""


@qt.adopt
class ctkCollapsibleButton(qt.QWidget):
    """A section with a header that opens and closes it."""

    contentsCollapsed = qt.Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._text, self._isCollapsed, self._hidden = "", False, set()
        self.setContentsMargins(0, HEADER_PIXELS, 0, 0)

    def _getText(self):
        return self._text

    def _setText(self, text):
        self._text = text

    def _getCollapsed(self):
        return self._isCollapsed

    def _setCollapsed(self, isCollapsed):
        children = [child for child in self.children() if isinstance(child, qt.QWidget)]
        if not self._isCollapsed:  # what is hidden in an open section stays so
            self._hidden = {child for child in children if child.isHidden()}
        self._isCollapsed = isCollapsed
        for child in children:
            child.setVisible(not isCollapsed and child not in self._hidden)
        self.setMaximumHeight(HEADER_PIXELS if isCollapsed else 16777215)
        self.contentsCollapsed.emit(isCollapsed)

    text = qt.Property(str, _getText, _setText)
    collapsed = qt.Property(bool, _getCollapsed, _setCollapsed)

    def showEvent(self, event):
        self._setCollapsed(self._isCollapsed)
        super().showEvent(event)

    def mousePressEvent(self, event):
        if event.position().y() < HEADER_PIXELS:
            self._setCollapsed(not self._isCollapsed)

    def paintEvent(self, _):
        painter = qt.QPainter(self)
        painter.setRenderHint(qt.QPainter.Antialiasing)
        box = qt.QRectF(0.5, 0.5, self.rect.width() - 1, HEADER_PIXELS - 5)
        painter.setPen(qt.QColor("#b9bec4"))
        painter.setBrush(qt.QColor("#e6e9ec"))
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(qt.QColor("#1c2126"))
        painter.setBrush(qt.QColor("#5a646e"))
        tip = (
            [(10, 7), (18, 7), (14, 14)] if not self._isCollapsed else [(11, 6), (11, 15), (17, 10)]
        )
        pen = painter.pen()
        painter.setPen(qt.Qt.NoPen)
        painter.drawPolygon(qt.QPolygonF([qt.QPointF(*point) for point in tip]))
        painter.setPen(pen)
        painter.drawText(
            box.adjusted(26, 0, 0, 0), qt.Qt.AlignVCenter | qt.Qt.AlignLeft, self._text
        )
        painter.end()


@qt.adopt
class ctkPathLineEdit(qt.QWidget):
    """A path, typed or browsed."""

    currentPathChanged = qt.Signal(str)
    validInputChanged = qt.Signal(bool)
    Dirs = 1

    def __init__(self, parent=None):
        super().__init__(parent)
        self._line = qt.QLineEdit(self)
        browse = qt.QPushButton("…", self)
        browse.setMaximumWidth(28)
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        layout.addWidget(browse)
        self._isValid = False
        self._line.textChanged.connect(self._onText)

    def _onText(self, text):
        """As CTK: an empty field is not acceptable input, and no path that has changed."""
        if text:
            self.currentPathChanged.emit(text)
        if bool(text) != self._isValid:
            self._isValid = bool(text)
            self.validInputChanged.emit(self._isValid)

    def _getPath(self):
        return self._line.text

    def _setPath(self, path):
        self._line.setText(path)

    currentPath = qt.Property(str, _getPath, _setPath)


class ctkMessageBox(qt.QObject):
    """Notes what would have been asked, and says OK."""

    def __init__(self, _parent=None):
        super().__init__()
        self.text, self.windowTitle, self.detailedText, self.icon = "", "", "", None
        self.standardButtons = None

    def exec_(self):
        asked.append(self.text)
        return qt.QMessageBox.Ok


WIDGETS = (ctkCollapsibleButton, ctkPathLineEdit)
