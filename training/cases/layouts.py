"""Where CTs and labels lie: folders of cases, or nnU-Net's raw layout."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.images import case_files
from training.sections import Data

logger = logging.getLogger(__name__)

ALIASES = {
    "rk": "right_kidney", "kidney_right": "right_kidney", "lk": "left_kidney",
    "kidney_left": "left_kidney", "ivc": "inferior_vena_cava", "postcava": "inferior_vena_cava",
    "rag": "right_adrenal_gland", "adrenal_gland_right": "right_adrenal_gland",
    "lag": "left_adrenal_gland", "adrenal_gland_left": "left_adrenal_gland",
    "gall_bladder": "gallbladder", "oesophagus": "esophagus", "tumor": "lesion",
    "tumour": "lesion", "cancer": "lesion",
}  # fmt: skip
"""Names in dataset.json of FLARE, AMOS and TotalSegmentator, for keys of ours."""


@dataclass(frozen=True)
class Source:
    """Where a case comes from."""

    case: str
    ct: Path
    """Anything that read_volume() takes: a file, or a folder with a DICOM series."""
    label: Path | None
    """A labelmap on the grid of the CT; None: there is none."""
    values: NDArray[np.uint8]
    """(256,): what each value of the label file is here; what is not ours is 0."""
    known: tuple[bool, ...]
    """Which classes the label tells, background first; all False without a label."""


def find(data: Data) -> list[Source]:
    """Return the cases of a config by name, those of val_cases among them.

    Raises:
        InputError: There is none, a label is required and missing, or dataset.json is not usable.
    """
    found = _in(data.cases, data)
    if data.val_cases:
        found += _in(data.val_cases, data)
    names = [source.case for source in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"the case names {twice} are there twice: rename one of each")
    missing = [source.case for source in found if source.label is None]
    if data.labels_required and missing:
        raise InputError(
            f"{len(missing)} of {len(found)} cases have no label ({', '.join(missing[:5])}): add "
            "them, take the CTs away, or set data.labels_required = false"
        )
    return sorted(found, key=lambda source: source.case)


def _in(folder: Path, data: Data) -> list[Source]:
    wanted = "give <case>/ct.nii.gz, or imagesTr, labelsTr and dataset.json of nnU-Net"
    if not folder.is_dir():
        raise InputError(f"data.cases {folder} is no folder: {wanted}")
    is_nnunet = data.layout == "nnunet" or (
        data.layout == "auto" and (folder / "dataset.json").is_file()
    )
    found = list(_nnunet(folder, data) if is_nnunet else _folders(folder, data))
    if not found:
        raise InputError(f"no CT in {folder}: {wanted}")
    return found


def _folders(folder: Path, data: Data) -> Iterator[Source]:
    cts = case_files.images(folder)
    for inner in (path for path in folder.iterdir() if path.is_dir() and path.name not in cts):
        cts[inner.name] = inner  # a folder with a DICOM series
    values = np.arange(256, dtype=np.uint8)
    values[data.classes :] = 0
    for case, ct in cts.items():
        labels = [path for path in (folder / case).glob("label.*") if path.is_file()]
        label = labels[0] if labels else None
        yield Source(case, ct, label, values, _known(case, data, has_label=label is not None))


def _known(case: str, data: Data, *, has_label: bool) -> tuple[bool, ...]:
    """Return which classes a label tells: of [data.partial] by the start of the name, or all."""
    told = [keys for start, keys in data.partial.items() if case.startswith(start)]
    keys = told[0] if told else data.keys
    return (has_label, *(has_label and key in keys for key in data.keys))


def _nnunet(folder: Path, data: Data) -> Iterator[Source]:
    values, told = _names(folder / "dataset.json", data)
    labels = {}
    if (folder / "labelsTr").is_dir() and any((folder / "labelsTr").iterdir()):
        labels = case_files.labelmaps(folder / "labelsTr")
    images = folder / "imagesTr"
    if not images.is_dir():
        raise InputError(f"{folder} has a dataset.json but no imagesTr: complete the raw layout")
    for case, ct in case_files.images(images).items():
        label = labels.get(case)
        known = _known(case, data, has_label=label is not None)
        both = (known[0], *(k and t for k, t in zip(known[1:], told, strict=True)))
        yield Source(case, ct, label, values, both)


def _names(path: Path, data: Data) -> tuple[NDArray[np.uint8], tuple[bool, ...]]:
    """Return what dataset.json says: values of ours by values there, and the classes it has."""
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be used ({error!r}): it needs the key labels") from error
    if all(str(name).isdigit() for name in names):  # nnU-Net 1 has value: name
        names = {name: int(value) for value, name in names.items()}
    values = np.zeros(256, np.uint8)
    told = [False] * len(data.keys)
    for name, value in names.items():
        key = str(name).lower().replace(" ", "_").replace("-", "_")
        key = ALIASES.get(key, key)
        if key in data.keys and isinstance(value, int) and 0 < value < 256:
            values[value] = data.keys.index(key) + 1
            told[data.keys.index(key)] = True
        elif key != "background":
            logger.warning("%s: label %s = %s is none of ours: left out", path, name, value)
    if not any(told):
        raise InputError(f"{path} names none of {', '.join(data.keys)}: correct its labels")
    return values, tuple(told)
