"""nnU-Net's own predictor, and how far two labelmaps agree."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import SimpleITK as sitk


def predict(
    model: Path,
    image: Path,
    target: Path,
    *,
    folds: tuple[int, ...] = (0,),
    mirrored: bool = True,
) -> Path:
    """Let nnunetv2 segment an image; return the labelmap.

    Args:
        model: Folder Trainer__Plans__configuration.
        image: A NIfTI file.
        target: Folder for the labelmap.
        folds: Which to average.
        mirrored: With test time augmentation, as nnU-Net does unless --disable_tta is given.
    """
    os.environ |= {"nnUNet_compile": "f", "nnUNet_def_n_proc": "2"}
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=mirrored,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(str(model), folds, "checkpoint_final.pth")
    target.mkdir(parents=True, exist_ok=True)
    made = target / image.name.removesuffix(".nii.gz")
    predictor.predict_from_files_sequential([[str(image)]], [str(made)])
    return made.with_name(image.name)


def unpack(archive: Path, target: Path) -> Path:
    """Unpack a zip of nnUNetv2_export_model_to_zip; return the folder of the configuration."""
    shutil.unpack_archive(archive, target)
    return next(target.rglob("plans.json")).parent


def agreement(one: Path, other: Path) -> dict[int, float]:
    """Return the DSC of each label that is in either labelmap; 1 is the same.

    Raises:
        AssertionError: They do not lie on the same grid.
    """
    first, second = sitk.ReadImage(str(one)), sitk.ReadImage(str(other))
    for facts in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        a, b = getattr(first, facts)(), getattr(second, facts)()
        assert np.allclose(a, b, atol=1e-4), f"{facts}: {a} and {b}"
    a, b = (sitk.GetArrayViewFromImage(image) for image in (first, second))
    found = {}
    for value in sorted({*np.unique(a).tolist(), *np.unique(b).tolist()} - {0}):
        both = np.count_nonzero((a == value) & (b == value))
        found[value] = 2 * both / (np.count_nonzero(a == value) + np.count_nonzero(b == value))
    return found
