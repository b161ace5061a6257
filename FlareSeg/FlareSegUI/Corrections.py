"""An organ of the scene that clicks correct: as it was, as it is, and its row in the table."""

import json
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegLib.prompting.requests import ORGAN, OTHERS
from FlareSegUI import Layers, Lesions, Nodes, Voxels

KEPT = ("touches_border", "out_of_field")
"""Flags of a run that clicks do not change."""


class Organ:
    """A segment that was there before; clicks change its voxels, and those of no other one."""

    def __init__(
        self, volume: vtkMRMLScalarVolumeNode, segmentation: vtkMRMLSegmentationNode, key: str
    ) -> None:
        """Keep the segment as it is.

        Raises:
            RuntimeError: It is empty, or lies otherwise than the CT.
        """
        self.segment = (segmentation, key)
        self._volume = volume
        self._report = Nodes.reportOf(segmentation)
        self._facts = Lesions.factsOf(segmentation).get(key)
        self.labels = labelsOf(segmentation, volume, key)
        """uint8 (k, j, i), all of the CT: ORGAN and OTHERS."""
        if not (self.labels == ORGAN).any():
            raise RuntimeError(_("{name} is empty: draw a box around it").format(name=self.name))

    @property
    def name(self) -> str:
        """As people read it."""
        segmentation, key = self.segment
        return segmentation.GetSegmentation().GetSegment(key).GetName()

    @property
    def isThere(self) -> bool:
        """Return whether nobody has removed it."""
        return Lesions.isThere(self.segment)

    def write(self, answer: dict) -> None:
        """Give the segment the voxels of an answer, and its row what was measured of them."""
        self._writeMask(answer["start"], answer["mask"])
        report, flags = (
            deepcopy(self._report),
            answer["flags"] | {"corrected": _("corrected by clicks")},
        )
        for row in report["organs"] if report else []:
            if row["key"] == self.segment[1]:
                kept = {flag: row["flags"][flag] for flag in KEPT if flag in row["flags"]}
                row |= {"volume_ml": answer["ml"], "mean_hu": answer["hu_mean"]}
                row["flags"] = kept | flags
        measured = {key: answer[key] for key in Lesions.MEASURED} | {"flags": flags}
        self._keep(report, measured if self._facts else None)

    def clear(self) -> None:
        """Give it back what it had before."""
        if self.isThere:
            start, mask = Voxels.cut(self.labels == ORGAN)
            self._writeMask(start, mask.astype(np.uint8))
            self._keep(self._report, self._facts)

    def finish(self, tell: Callable[[str], None]) -> None:
        """Make its surface anew, if 3-D shows it; tell its name before, for that takes seconds."""
        display = self.segment[0].GetDisplayNode()
        if self.isThere and display is not None and display.GetVisibility3D():
            Nodes.makeSurfaces(self.segment[0], tell)

    def _writeMask(self, start: list[int], mask: np.ndarray) -> None:
        """Write voxels; the surface goes, or Slicer would make it anew for seconds each time."""
        segmentation, key = self.segment
        closed = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
        segmentation.GetSegmentation().GetSegment(key).RemoveRepresentation(closed)
        Lesions.writeMask(segmentation, key, self._volume, start, mask)

    def _keep(self, report: dict | None, facts: dict | None) -> None:
        """Keep the row of an organ in the report of its run, of a lesion beside the others."""
        if report:
            text = json.dumps(report, ensure_ascii=False)
            self.segment[0].SetAttribute(f"{Nodes.PREFIX}report", text)
        if facts:
            Lesions.keepFacts(*self.segment, facts)


def labelsOf(
    segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode, key: str
) -> np.ndarray:
    """Return a segment on the voxels of a CT, uint8 (k, j, i): ORGAN, and OTHERS for all others.

    Raises:
        RuntimeError: It lies otherwise than the CT.
    """
    if segmentation.GetParentTransformNode() is not volume.GetParentTransformNode():
        raise RuntimeError(_("organs and CT lie under different transforms"))
    organs = Layers.organsOf(segmentation)
    own, found = organs.by_key[key].value, np.zeros(Nodes.gridOf(volume).shape, np.uint8)
    for array, start, values in Layers.layersOf(segmentation, volume, organs):
        kinds = np.zeros(max(values, default=0) + 1, np.uint8)
        for value, organ in values.items():
            kinds[value] = ORGAN if organ == own else OTHERS
        to, of = _shared(start, array.shape, found.shape)
        part = kinds[array[of]]
        np.copyto(found[to], part, where=(part == ORGAN) | (found[to] == 0))
    return found


def _shared(start: list[int], shape: tuple, whole: tuple) -> tuple[tuple, tuple]:
    """Return where a layer lies in the CT, and which part of the layer that is."""
    ends = [(max(a, 0), min(a + n, most)) for a, n, most in zip(start, shape, whole, strict=True)]
    to = tuple(slice(low, max(high, low)) for low, high in ends)
    return to, tuple(slice(s.start - a, s.stop - a) for s, a in zip(to, start, strict=True))


def fillMenu(menu: "qt.QMenu", volume: vtkMRMLScalarVolumeNode | None, onChosen: object) -> None:
    """List the segments of a CT; onChosen(segmentation, key) is told of the one that is chosen."""
    menu.clear()
    for segmentation in Lesions.segmentationsOf(volume) if volume is not None else []:
        inside = segmentation.GetSegmentation()
        for key in inside.GetSegmentIDs():
            action = qt.QAction(inside.GetSegment(key).GetName(), menu)
            action.connect(
                "triggered(bool)", lambda _=False, one=segmentation, of=key: onChosen(one, of)
            )
            menu.addAction(action)
    if menu.isEmpty():
        nothing = qt.QAction(_("This CT has no segments yet"), menu)
        nothing.enabled = False
        menu.addAction(nothing)
