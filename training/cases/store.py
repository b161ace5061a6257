"""What the stages hand to each other: a CT, soft labels and labels per case, each an .npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.geometry import Volume
from FlareSegLib.images.reading import read_volume
from FlareSegLib.preprocessing.body import body_box
from FlareSegLib.preprocessing.orient import to_canonical

THREADS = 2
"""Of resampling and of the teacher."""
LEVELS = 255
"""Probabilities are stored as uint8 in units of 1/LEVELS."""


def case_ids(folder: Path) -> list[str]:
    """Return the names of the case folders, sorted.

    Raises:
        FileNotFoundError: There is none.
    """
    ids = sorted(path.parent.name for path in folder.glob("*/ct.nii.gz"))
    if not ids:
        raise FileNotFoundError(f"no */ct.nii.gz in {folder}: set `cases` in the config")
    return ids


def patient(path: Path) -> Volume:
    """Return the CT in a file in canonical orientation, cut to the body."""
    canonical = to_canonical(read_volume(path))
    return canonical.crop(body_box(canonical))


def save_ct(folder: Path, case: str, hu: NDArray[np.int16]) -> None:
    """Write the CT of a case, HU (z, y, x) on the student's grid."""
    _save(folder / "ct" / f"{case}.npz", hu)


def load_ct(folder: Path, case: str) -> NDArray[np.int16]:
    """Return the CT of a case, HU (z, y, x)."""
    return _load(folder / "ct" / f"{case}.npz")  # type: ignore[return-value]


def save_truth(folder: Path, case: str, labels: NDArray[np.uint8]) -> None:
    """Write the labels (z, y, x) that came with a CT, on its grid here."""
    _save(folder / "truth" / f"{case}.npz", labels)


def load_truth(folder: Path, case: str) -> NDArray[np.uint8]:
    """Return the labels (z, y, x) that came with a CT."""
    return _load(folder / "truth" / f"{case}.npz")  # type: ignore[return-value]


def save_source(folder: Path, case: str, name: str, labels: NDArray[np.uint8]) -> None:
    """Write what one source of labels says of a case (z, y, x)."""
    _save(folder / "sources" / case / f"{name}.npz", labels)


def load_sources(folder: Path, case: str) -> dict[str, NDArray[np.uint8]]:
    """Return what each source of labels says of a case (z, y, x), by name."""
    paths = sorted((folder / "sources" / case).glob("*.npz"))
    return {path.stem: _load(path) for path in paths}  # type: ignore[misc]


def save_soft(folder: Path, case: str, probabilities: NDArray[np.float32]) -> None:
    """Write soft labels (classes, z/2, y/2, x/2) in [0, 1]."""
    levels = np.rint(probabilities * LEVELS).astype(np.uint8)
    _save(folder / "soft" / f"{case}.npz", levels)


def load_soft(folder: Path, case: str) -> NDArray[np.uint8]:
    """Return soft labels (classes, z/2, y/2, x/2) in units of 1/LEVELS."""
    return _load(folder / "soft" / f"{case}.npz")  # type: ignore[return-value]


def save_labels(folder: Path, case: str, labels: NDArray[np.uint8]) -> None:
    """Write labels (z, y, x) on the grid of the CT."""
    _save(folder / "labels" / f"{case}.npz", labels)


def load_labels(folder: Path, case: str) -> NDArray[np.uint8]:
    """Return labels (z, y, x) on the grid of the CT."""
    return _load(folder / "labels" / f"{case}.npz")  # type: ignore[return-value]


def _save(path: Path, array: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as part:
        np.savez_compressed(part, array=array)


def _load(path: Path) -> NDArray[np.generic]:
    with np.load(path, allow_pickle=False) as archive:
        array: NDArray[np.generic] = archive["array"]
    return array
