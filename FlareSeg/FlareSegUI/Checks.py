"""Why a volume cannot be segmented: said on the disabled button, before anything is started."""

import re
from pathlib import Path

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _

from FlareSegLib.base.config import read_model_config
from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.base.resources import threads_for
from FlareSegLib.images.hounsfield import check_ct
from FlareSegUI.Nodes import gridOf

LEAST_SLICES = 16
"""As in FlareSegLib.images.reading."""
OFFSET = r"give --hu-offset (-?\d+)"
"""How the command cures shifted HU; in Slicer people do it themselves."""
SPACING_MM = (0.1, 15.0)
"""Voxels outside this range are no CT of a body, or their spacing is lost."""


def whyNot(volume: vtkMRMLScalarVolumeNode | None, model: Path | None = None) -> str | None:
    """Return why this volume cannot be segmented, for people; None if it can."""
    for check in (_checkImage, _checkSpacing, _checkValues):
        if reason := check(volume):
            return reason
    return _checkModel(volume, model)


def _checkImage(volume: vtkMRMLScalarVolumeNode | None) -> str | None:
    if volume is None:
        return _("Choose a CT volume")
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        return _("This is a labelmap: choose the CT itself")
    image = volume.GetImageData()
    if image is None or min(image.GetDimensions()) == 0:
        return _("The volume has no image: load it first")
    if image.GetNumberOfScalarComponents() != 1:
        return _("The volume has {count} values per voxel: choose a CT").format(
            count=image.GetNumberOfScalarComponents()
        )
    if min(image.GetDimensions()) < LEAST_SLICES:
        size = " x ".join(map(str, image.GetDimensions()))
        return _("The volume has {size} voxels: FlareSeg needs {least} along each axis").format(
            size=size, least=LEAST_SLICES
        )
    return None


def _checkSpacing(volume: vtkMRMLScalarVolumeNode) -> str | None:
    spacing = volume.GetSpacing()
    if SPACING_MM[0] <= min(spacing) and max(spacing) <= SPACING_MM[1]:
        return None
    text = _("The spacing {spacing} mm is not that of a CT: correct it in the module Volumes")
    return text.format(spacing=" x ".join(f"{mm:g}" for mm in spacing))


def _checkValues(volume: vtkMRMLScalarVolumeNode) -> str | None:
    try:
        check_ct(slicer.util.arrayFromVolume(volume), volume.GetName())
    except FlareSegError as error:
        reason = re.sub(OFFSET, _("add {offset} to its voxels").format(offset=r"\1"), str(error))
        return _("Does not look like a CT: {reason}").format(reason=reason)
    return None


def _checkModel(volume: vtkMRMLScalarVolumeNode, model: Path | None) -> str | None:
    """Check that the model can be read, and that there is memory for this volume."""
    from FlareSegLib.pipeline import default_model  # SciPy, SimpleITK: not when Slicer starts

    try:
        config = read_model_config(model or default_model())
        threads_for(gridOf(volume), config.spacing_mm, logits_per_voxel=config.logits_per_voxel)
    except FlareSegError as error:
        return str(error)
    return None
