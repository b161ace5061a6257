"""Why a volume cannot be segmented: said on the disabled button, before anything is started."""

from pathlib import Path

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.resources import threads_for
from FlareSegLib.images.hounsfield import check_ct
from FlareSegUI.Nodes import gridOf
from FlareSegUI.Words import inPanel

LEAST_SLICES = 16
"""As in FlareSegLib.images.reading."""
SPACING_MM = (0.1, 15.0)
"""Voxels outside this range are no CT of a body, or their spacing is lost."""


def whyNot(volume: vtkMRMLScalarVolumeNode | None, model: Path | None = None) -> str | None:
    """Return why this volume cannot be segmented, for people; None if it can."""
    return whyNotEver(volume, model) or whyNotNow(volume, model)


def whyNotEver(volume: vtkMRMLScalarVolumeNode | None, model: Path | None = None) -> str | None:
    """Return what is wrong with volume or model as they are; all voxels are looked at."""
    for check in (_checkImage, _checkSpacing, _checkValues):
        if reason := check(volume):
            return reason
    try:
        _configOf(model)
    except FlareSegError as error:
        return inPanel(str(error))
    return None


def whyNotNow(volume: vtkMRMLScalarVolumeNode, model: Path | None = None) -> str | None:
    """Return why not now: memory is short. Quick, and may be otherwise a moment later."""
    try:
        config = _configOf(model)
        size = {"logits_per_voxel": config.logits_per_voxel, "network_mib": config.network_mib}
        threads_for(gridOf(volume), config.spacing_mm, **size)
    except FlareSegError as error:
        return inPanel(str(error))
    return None


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
        return _("Does not look like a CT: {reason}").format(reason=inPanel(str(error)))
    return None


def _configOf(model: Path | None) -> ModelConfig:
    from FlareSegLib.pipeline import default_model  # SciPy, SimpleITK: not when Slicer starts

    return read_model_config(model or default_model())
