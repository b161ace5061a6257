"""Colors of organs: FlareSeg's own, or those that Slicer's terminology recommends."""

import slicer
from slicer import vtkMRMLSegmentationNode

from FlareSegLib.base.labels import LabelSet

Color = tuple[float, float, float]
STANDARD = "Slicer"
"""The choice of Slicer's colors, as the panel shows it."""
MASTER_LIST = "Segmentation category and type - DICOM master list"
"""Slicer's own terminology, which has a color for each code."""


def paint(segmentation: vtkMRMLSegmentationNode, labels: LabelSet, scheme: str) -> None:
    """Give the segments that are organs of the model the colors of a scheme.

    An organ that Slicer's terminology does not know keeps FlareSeg's color.
    """
    standard = standardColors() if scheme == STANDARD else {}
    for organ in labels.organs:
        segment = segmentation.GetSegmentation().GetSegment(organ.key)
        if segment is not None:
            own = tuple(part / 255 for part in organ.color)
            segment.SetColor(*standard.get(organ.snomed, own))


def standardColors() -> dict[str, Color]:
    """Return the color of each code in Slicer's terminology, parts in [0, 1]."""
    logic = slicer.modules.terminologies.logic()
    category, kind = slicer.vtkSlicerTerminologyCategory(), slicer.vtkSlicerTerminologyType()
    found: dict[str, Color] = {}
    for i in range(logic.GetNumberOfCategoriesInTerminology(MASTER_LIST)):
        logic.GetNthCategoryInTerminology(MASTER_LIST, i, category)
        for j in range(logic.GetNumberOfTypesInTerminologyCategory(MASTER_LIST, category)):
            logic.GetNthTypeInTerminologyCategory(MASTER_LIST, category, j, kind)
            color = tuple(part / 255 for part in kind.GetRecommendedDisplayRGBValue())
            found.setdefault(kind.GetCodeValue(), color)
    return found
