"""Right-click on a volume in the module Data: Segment with FlareSeg. Slicer loads it by name."""

import qt
import slicer
from AbstractScriptedSubjectHierarchyPlugin import AbstractScriptedSubjectHierarchyPlugin
from slicer.i18n import tr as _


class FlareSegSubjectHierarchyPlugin(AbstractScriptedSubjectHierarchyPlugin):
    """Owns no items; adds an action to those that are CTs."""

    filePath = __file__

    def __init__(self, scriptedPlugin: object) -> None:
        """Register at Slicer, which makes one of it."""
        scriptedPlugin.name = "FlareSeg"
        AbstractScriptedSubjectHierarchyPlugin.__init__(self, scriptedPlugin)
        self.action = qt.QAction(_("Segment with FlareSeg"), scriptedPlugin)
        self.action.connect("triggered()", self.onSegment)

    def itemContextMenuActions(self) -> list:
        """Return the actions of items."""
        return [self.action]

    def showContextMenuActionsForItem(self, itemID: int) -> None:
        """Show the action where it can be used."""
        self.action.visible = _volumeOf(itemID) is not None

    def onSegment(self) -> None:
        """Open the panel on the volume that was clicked."""
        handler = slicer.qSlicerSubjectHierarchyPluginHandler.instance()
        volume = _volumeOf(handler.currentItem())
        if volume is not None:
            slicer.util.selectModule("FlareSeg")
            logic = slicer.util.getModuleLogic("FlareSeg")
            logic.getParameterNode().inputVolume = volume


def _volumeOf(itemID: int) -> object | None:
    """Return the volume of an item; None if it is none, or a labelmap."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    node = hierarchy.GetItemDataNode(itemID) if itemID else None
    isVolume = node is not None and node.GetClassName() == "vtkMRMLScalarVolumeNode"
    return node if isVolume else None
