"""The widgets of Slicer that know the scene.

Stands for qMRMLWidget and qMRMLNodeComboBox of Slicer 5.12 (Libs/MRML/Widgets).
"""

from xml.etree import ElementTree

from Testing.slicer.rig import qt

NO_NODE = "Select a volume"


@qt.adopt
class qMRMLWidget(qt.QWidget):
    """Passes its scene on to the widgets that the .ui file connects."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.listeners = []

    def setMRMLScene(self, scene):
        for widget in self.listeners:
            widget.setMRMLScene(scene)


@qt.adopt
class qMRMLNodeComboBox(qt.QComboBox):
    """Lists the nodes of a class in the scene, as they come and go."""

    currentNodeChanged = qt.Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._ids, self._isFilling = None, [], False
        self.currentIndexChanged.connect(self._onIndex)

    def setMRMLScene(self, scene):
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent):
            scene.AddObserver(event, lambda *_: self._fill())
        self._fill()

    def currentNode(self):
        chosen = self._ids[self.currentIndex] if 0 <= self.currentIndex < len(self._ids) else ""
        return self._scene.GetNodeByID(chosen) if chosen else None

    def setCurrentNode(self, node):
        self._fill()
        wanted = node.GetID() if node is not None else ""
        self.setCurrentIndex(self._ids.index(wanted) if wanted in self._ids else -1)

    def _kinds(self):
        return self.property("nodeTypes") or []

    def _fill(self):
        before = self._ids[self.currentIndex] if 0 <= self.currentIndex < len(self._ids) else ""
        nodes = [node for kind in self._kinds() for node in _nodes(self._scene, kind)]
        hasNone = bool(self.property("noneEnabled"))
        self._isFilling = True
        self._ids = [""] * hasNone + [node.GetID() for node in nodes]
        self.clear()
        self.addItems([self.property("noneDisplay")] * hasNone + [node.GetName() for node in nodes])
        self.setPlaceholderText(NO_NODE)
        self.setCurrentIndex(self._ids.index(before) if before in self._ids else hasNone - 1)
        self._isFilling = False
        if before not in self._ids:
            self._onIndex(self.currentIndex)

    def _onIndex(self, _):
        if not self._isFilling:
            self.currentNodeChanged.emit(self.currentNode())


WIDGETS = (qMRMLWidget, qMRMLNodeComboBox)


def _nodes(scene, kind):
    found = scene.GetNodesByClass(kind)
    found.UnRegister(None)
    nodes = [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]
    return [node for node in nodes if not node.GetHideFromEditors()]


def replay(root, text):
    """Make the connections mrmlSceneChanged -> setMRMLScene of a .ui file."""
    for connection in ElementTree.fromstring(text).iter("connection"):
        signal, receiver = connection.findtext("signal"), connection.findtext("receiver")
        if signal == "mrmlSceneChanged(vtkMRMLScene*)":
            root.listeners.append(root.findChild(qt.QObject, receiver))
