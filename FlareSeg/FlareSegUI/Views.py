"""The views on a result: slices through its middle, linked, and 3-D around it."""

import slicer
from slicer import vtkMRMLSegmentationNode


def centre(segmentation: vtkMRMLSegmentationNode) -> None:
    """Move slices and 3-D views to the middle of the organs; nothing without views or organs."""
    manager = slicer.app.layoutManager()
    bounds = [0.0] * 6
    segmentation.GetRASBounds(bounds)
    if manager is None or bounds[0] > bounds[1]:
        return
    middle = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
    for name in manager.sliceViewNames():
        logic = manager.sliceWidget(name).sliceLogic()
        logic.GetSliceCompositeNode().SetLinkedControl(True)
        logic.GetSliceNode().JumpSliceByCentering(*middle)
    for number in range(manager.threeDViewCount):
        manager.threeDWidget(number).threeDView().resetFocalPoint()
