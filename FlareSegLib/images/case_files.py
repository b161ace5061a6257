"""Which file is of which case: folders of labelmaps, and of their CTs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.job import beside
from FlareSegLib.images.writing import EXTENSIONS

logger = logging.getLogger(__name__)

LABEL, CT = "label", "ct"
"""A case may be a folder: <case>/label.nii.gz, and its CT <case>/ct.nii.gz."""
REPORT = ".report.json"
"""As in job.py: organs.nii.gz has organs.report.json."""
CHANNEL = "_0000"
"""After the case's name in the file names of nnU-Net and FLARE."""


def labelmaps(folder: Path) -> dict[str, Path]:
    """Return the labelmap of each case in a folder, by name.

    Raises:
        InputError: There is none, or a case has two.
    """
    wanted = f"give a folder with <case>.nii.gz or <case>/{LABEL}.nii.gz"
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: {wanted}")
    found: dict[str, Path] = {}
    for case, path in (*_files(folder), *_files_in_folders(folder, LABEL)):
        if case in found:
            raise InputError(f"{folder} has two labelmaps of {case}: take one of them away")
        found[case] = path
    if not found:
        raise InputError(f"{folder} has no labelmap: {wanted}")
    return dict(sorted(found.items()))


def matched(truth: Path, pred: Path) -> dict[str, tuple[Path, Path]]:
    """Return truth and prediction of each case of the truth; what has no truth is left out.

    Raises:
        InputError: A prediction is missing, or as in labelmaps().
    """
    truths, preds = labelmaps(truth), labelmaps(pred)
    if missing := [case for case in truths if case not in preds]:
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise InputError(
            f"{pred} lacks {len(missing)} of {len(truths)} cases ({some}): "
            "segment them, or take their truth away"
        )
    if extra := len(preds.keys() - truths.keys()):
        logger.warning("%s has %d cases without truth: they are left out", pred, extra)
    return {case: (path, preds[case]) for case, path in truths.items()}


def images(folder: Path, *, is_truth: bool = False) -> dict[str, Path]:
    """Return the CT of each case: <case>/ct.nii.gz, <case>.nii.gz or <case>_0000.nii.gz.

    Args:
        folder: Where the CTs are.
        is_truth: It is the folder of the truth, where <case>.nii.gz is a labelmap.
    """
    found = dict(_files_in_folders(folder, CT))
    if not is_truth:
        found |= {case.removesuffix(CHANNEL): path for case, path in _files(folder)}
    return found


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield case and path of the image files in a folder."""
    for path in sorted(folder.iterdir()):
        ending = next((e for e in EXTENSIONS if path.name.lower().endswith(e)), None)
        if ending and path.is_file() and not path.name.startswith("."):
            yield path.name[: -len(ending)], path


def _files_in_folders(folder: Path, stem: str) -> Iterator[tuple[str, Path]]:
    """Yield case and path of <case>/<stem>.nii.gz, and of other extensions."""
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from ((inner.name, path) for name, path in _files(inner) if name == stem)


def to_view(case: Path, ct: Path | None = None) -> tuple[Path, Path]:
    """Return the CT and the labelmap of a case that FlareSeg has segmented.

    Args:
        case: A labelmap with its report beside it, or a folder that holds one such.
        ct: The CT; None: the file beside the labelmap that the report names.

    Raises:
        InputError: There is not one labelmap, or its CT is not beside it.
    """
    labelmap = _only_result(case) if case.is_dir() else case
    if not labelmap.is_file():
        raise InputError(f"{labelmap} does not exist: give a labelmap of flareseg segment")
    return ct or _ct_beside(labelmap), labelmap


def _only_result(folder: Path) -> Path:
    stems = [path.name.removesuffix(REPORT) for path in folder.glob(f"*{REPORT}")]
    places = [folder / f"{stem}{extension}" for stem in stems for extension in EXTENSIONS]
    found = sorted(path for path in places if path.is_file())
    if len(found) != 1:
        named = ", ".join(path.name for path in found[:3])
        text = f"{len(found)} results ({named}): name one" if found else "no result: give another"
        raise InputError(f"{folder} holds {text}")
    return found[0]


def _ct_beside(labelmap: Path) -> Path:
    cure = "name the CT with --ct"
    report = beside(labelmap, REPORT)
    try:
        name = json.loads(report.read_text(encoding="utf-8"))["run"]["input"]
        ct = labelmap.parent / str(name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{labelmap} has no report beside it that names its CT: {cure}") from error
    if not ct.exists():
        raise InputError(f"{ct} is not there, from which {labelmap.name} was made: {cure}")
    return ct
