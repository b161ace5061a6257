"""How often a training patch meets each change."""

from __future__ import annotations

from dataclasses import dataclass

from training.sections.checks import shares


@dataclass(frozen=True)
class Augment:
    """Share of the patches, in [0, 1], that meet each change."""

    affine: float = 0.75
    """Rotation up to 15 degrees, zoom 0.75 to 1.33."""
    mirror: float = 0.0
    """Left for right, top for bottom, front for back, each by itself; needed for flips at test."""
    bending: float = 0.2
    """Smooth shifts of about 4 voxels."""
    cutmix: float = 0.0
    """A part comes from another patch."""
    mixup: float = 0.0
    """Another patch shines through; only for a live teacher."""
    paste_organ: float = 0.0
    """The organ that another patch was chosen for is pasted in."""
    synthetic: float = 0.0
    """The image is made anew from the labels (SynthSeg)."""
    contrast_phase: float = 0.6
    """Each organ is enhanced after its own phase."""
    oral_contrast: float = 0.12
    """Positive contrast medium in stomach and duodenum."""
    metal: float = 0.02
    """Streaks from a piece of metal."""
    table: float = 0.1
    """A table behind the patient."""
    arms: float = 0.05
    """Arms beside the body."""
    slices_lost: float = 0.1
    """The scan ends inside the patch."""
    beyond_circle: float = 0.03
    """The circle of reconstruction ends inside the patch."""
    lesions: float = 0.1
    """Blobs in solid organs."""
    tone: float = 0.15
    """The gray scale of soft tissue is bent in pieces."""
    gamma: float = 0.1
    """The gray scale is bent by a power."""
    bias: float = 0.1
    """A smooth field is added."""
    thick_slices: float = 0.25
    """Slices of 2 to 5 voxels."""
    low_resolution: float = 0.1
    """Large voxels."""
    blur: float = 0.25
    """A soft kernel."""
    noise: float = 0.25
    """White or correlated noise."""
    low_dose: float = 0.1
    """Noise and streaks of few photons."""
    calibration: float = 0.5
    """A small error of scale and offset."""
    same_view: bool = True
    """A live teacher sees the patch as the student does; else before it is degraded."""

    def __post_init__(self) -> None:
        shares("augment", self)
