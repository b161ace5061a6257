"""Which file is of which case: folders of labelmaps, and of their CTs."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.job import EXTENSIONS, beside
from FlareSegLib.base.label_file import default_labels
from FlareSegLib.base.labels import LabelSet, plain
from FlareSegLib.images import seg_nrrd
from FlareSegLib.images.origin import found_again

logger = logging.getLogger(__name__)

LABEL, CT = "label", "ct"
"""A case may be a folder: <case>/label.nii.gz, and its CT <case>/ct.nii.gz."""
REPORT = ".report.json"
"""As in job.py: organs.nii.gz has organs.report.json."""
CHANNEL = "_0000"
"""After the case's name in the file names of nnU-Net and FLARE."""
ENDINGS = ("_organs", "_dseg", "_label", "_seg", CHANNEL, "_ct")
"""What may follow a case's name: of `flareseg batch`, BIDS, nnU-Net, or <case>/ct.nii.gz."""


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

    A prediction belongs to the case of its very name, or else to the one of the name that is left
    without ENDINGS: p1_ct_organs and p1_0000_organs to p1, sub-01_ct_organs to sub-01_dseg.

    Raises:
        InputError: A prediction is missing, two fit, or as in labelmaps().
    """
    truths, preds = labelmaps(truth), labelmaps(pred)
    found = {case: _fitting(case, truths, preds, pred) for case in truths}
    if missing := [case for case, name in found.items() if name is None]:
        raise InputError(
            f"{pred} lacks {len(missing)} of {len(truths)} cases ({_some(missing)}), it has "
            f"{_some(preds)}: segment them, or take their truth away"
        )
    if extra := len(preds.keys() - set(found.values())):
        logger.warning("%s has %d cases without truth: they are left out", pred, extra)
    return {case: (path, preds[found[case] or ""]) for case, path in truths.items()}


def _fitting(
    case: str, truths: Mapping[str, Path], preds: Mapping[str, Path], folder: Path
) -> str | None:
    """Return the name of the prediction of a case; None if there is none."""
    if case in preds:
        return case
    bare = bare_name(case)
    fitting = [name for name in preds if bare_name(name) == bare and name not in truths]
    if len(fitting) > 1:
        raise InputError(
            f"{folder} has {len(fitting)} labelmaps of {case} ({_some(fitting)}): leave one of them"
        )
    return fitting[0] if fitting else None


def bare_name(name: str) -> str:
    """Return the name of a case without what programs add to it, see ENDINGS."""
    for ending in ENDINGS:
        name = name.removesuffix(ending) or name
    return name


def _some(names: Collection[str]) -> str:
    return ", ".join(list(names)[:5]) + (", ..." if len(names) > 5 else "")


def images(folder: Path, *, is_truth: bool = False) -> dict[str, Path]:
    """Return the CT of each case by bare_name(): <case>/ct.nii.gz, <case>.nii.gz, <case>_0000 ...

    Args:
        folder: Where the CTs are.
        is_truth: It is the folder of the truth, where <case>.nii.gz is a labelmap.
    """
    found = dict(_files_in_folders(folder, CT))
    if not is_truth:
        found |= dict(_files(folder))
    return {bare_name(case): path for case, path in found.items()}


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
        ct: The CT; None: the one that the report names.

    Raises:
        InputError: There is not one labelmap, or its CT is not where it was.
    """
    labelmap = _only_result(case) if case.is_dir() else case
    if not labelmap.is_file():
        raise InputError(f"{labelmap} does not exist: give a labelmap of flareseg segment")
    return ct or _ct_of(labelmap), labelmap


def labels_in(labelmap: Path) -> LabelSet:
    """Return what the values of a labelmap mean, as far as it or the report beside it says.

    Colors and codes are those of FLARE's organs, or plain if it has others; without a report all
    is as in FLARE.
    """
    known = default_labels()
    if labelmap.name.lower().endswith(".seg.nrrd") and (own := seg_nrrd.labels_of(labelmap, known)):
        return own
    try:
        facts = json.loads(beside(labelmap, REPORT).read_text(encoding="utf-8"))["organs"]
        found = [plain(int(one["value"]), str(one["key"]), str(one["name"])) for one in facts]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return known
    if all(
        one.value in known.by_value and known.by_value[one.value].key == one.key for one in found
    ):
        return known
    return LabelSet(tuple(found))


def _only_result(folder: Path) -> Path:
    stems = [path.name.removesuffix(REPORT) for path in folder.glob(f"*{REPORT}")]
    places = [folder / f"{stem}{extension}" for stem in stems for extension in EXTENSIONS]
    found = sorted(path for path in places if path.is_file())
    if len(found) != 1:
        named = ", ".join(path.name for path in found[:3])
        text = f"{len(found)} results ({named}): name one" if found else "no result: give another"
        raise InputError(f"{folder} holds {text}")
    return found[0]


def _ct_of(labelmap: Path) -> Path:
    report = beside(labelmap, REPORT)
    try:
        return found_again(json.loads(report.read_text(encoding="utf-8"))["run"], report)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{labelmap} has no report beside it that names its CT: name the CT with --ct"
        ) from error
