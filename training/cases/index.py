"""What prepare says of the cases: work/cases.json. And what pseudo_label says: work/labels.json."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from FlareSegLib.base.errors import InputError
from training.cases.run_folder import write_json
from training.config import Config

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A prepared case."""

    case: str
    patient: str
    split: str
    """train or val."""
    known: tuple[bool, ...]
    """Which classes its own label tells, background first; all False without one."""
    ct: str
    """Where the CT was read."""
    label: str = ""
    """Where the label was read; empty without one."""
    spacing_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the CT as it came, canonical (z, y, x)."""
    shape: tuple[int, int, int] = (0, 0, 0)
    """Of the CT as it came, canonical (z, y, x)."""

    @property
    def is_full(self) -> bool:
        """Whether its own label tells every class."""
        return all(self.known)

    @property
    def is_partial(self) -> bool:
        """Whether its own label tells some classes."""
        return any(self.known) and not self.is_full


def write_index(work: Path, entries: Sequence[Entry]) -> None:
    """Write work/cases.json."""
    write_json(work / "cases.json", [dataclasses.asdict(entry) for entry in entries])


def read_index(config: Config, split: str = "") -> list[Entry]:
    """Return the prepared cases, of one split if it is given.

    A work folder without cases.json, of an older FlareSeg, has no labels but those in work/labels.

    Raises:
        InputError: There is none.
    """
    path = config.work / "cases.json"
    nothing = (False,) * config.data.classes
    if path.exists():
        rows = json.loads(path.read_text(encoding="utf-8"))
        entries = [Entry(**{k: _tuple(v) for k, v in row.items()}) for row in rows]
    else:
        names = sorted(file.stem for file in (config.work / "ct").glob("*.npz"))
        val = config.data.val
        entries = [Entry(n, n, "val" if n in val else "train", nothing, "") for n in names]
    found = [entry for entry in entries if split in ("", entry.split)]
    if not found:
        what = f"{split} case" if split else "case"
        raise InputError(f"{config.work} has no prepared {what}: run training.prepare")
    return found


def taught(config: Config) -> dict[str, tuple[bool, ...]]:
    """Return the training cases that have labels (work/labels), and the classes that those tell.

    Raises:
        InputError: None has.
    """
    path = config.work / "labels.json"
    known: dict[str, list[bool]] = (
        json.loads(path.read_text(encoding="utf-8"))["known"] if path.exists() else {}
    )
    everything = [True] * config.data.classes
    entries = read_index(config, "train")
    found = {
        entry.case: tuple(known.get(entry.case, everything))
        for entry in entries
        if (config.work / "labels" / f"{entry.case}.npz").exists()
    }
    if not found:
        raise InputError(
            f"none of the {len(entries)} training cases has a label in {config.work / 'labels'}: "
            "run training.pseudo_label"
        )
    if without := len(entries) - len(found):
        logger.warning("%d training cases have no label yet: they are left out", without)
    return found


def courses(config: Config) -> dict[str, list[str]]:
    """Return the cases of the easy and the hard course: {"easy": [...], "hard": [...]}.

    Without a curriculum all cases are in both; erroneous cases are in none.

    Raises:
        InputError: The curriculum is asked for but was not made, or a course has no case.
    """
    names = list(taught(config))
    if not config.curriculum.use:
        return {"easy": names, "hard": names}
    path = config.work / "curriculum" / "curriculum.json"
    if not path.exists():
        raise InputError(f"no {path}: run training.curriculum, or set curriculum.use = false")
    groups = json.loads(path.read_text(encoding="utf-8"))
    found = {key: [name for name in groups[key] if name in names] for key in ("easy", "hard")}
    for key, cases in found.items():
        if not cases:
            raise InputError(f"the {key} course has no case: change curriculum.{key} thresholds")
    return found


def check_split(entries: Sequence[Entry]) -> None:
    """Check that no patient is on both sides of the split.

    Raises:
        InputError: One is; names patient and cases.
    """
    sides: dict[str, set[str]] = {}
    for entry in entries:
        sides.setdefault(entry.patient, set()).add(entry.split)
    for patient, splits in sides.items():
        if len(splits) > 1:
            cases = [f"{e.case} ({e.split})" for e in entries if e.patient == patient]
            raise InputError(
                f"patient {patient} is on both sides of the split: {', '.join(cases)}; put all "
                "cases of a patient on one side (data.val, data.patients)"
            )


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
