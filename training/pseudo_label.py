"""Stage 3: labels for every training case: a teacher's, cleaned, around the original ones."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Volume, Zyx
from FlareSegLib.images import case_files
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.preprocessing.body import body_box, body_mask
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.preprocessing.resample import to_spacing
from training.cases import regrid, store
from training.cases.index import Entry, read_index
from training.cases.run_folder import RunFolder, write_json
from training.config import Config, check_same, run_stage, settings
from training.labelling.completing import (
    agreement,
    clean,
    complete,
    drop_removed,
    forget,
    without_known,
)
from training.labelling.looks import Labeller, load_labeller
from training.labelling.reliability import compared, most_reliable, reliability

logger = logging.getLogger(__name__)
Labels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """What is known of a case in the end."""

    labels: Labels
    """(z, y, x)."""
    soft: Floats
    """(classes, z/2, y/2, x/2)."""
    known: tuple[bool, ...]
    """Classes that the labels tell."""
    agreement: dict[str, float]
    """Of the looks, by organ."""


def wanted(entry: Entry, which: str) -> bool:
    """Return whether a step labels a case: see PseudoLabel.which."""
    if which == "partial":
        return entry.is_partial
    return which == "all" or not any(entry.known)


def ask(
    hu: Volume, flips: tuple[tuple[int, ...], ...], labeller: Labeller
) -> tuple[Floats, list[Labels]]:
    """Return the mean of the teacher's looks (z, y, x, classes), and each look's labels (z, y, x).

    Args:
        hu: On the teacher's spacing, canonical.
        flips: Axes that are reversed in each look.
        labeller: The teacher.
    """
    total = np.zeros((*hu.array.shape, len(labeller.keys) + 1), np.float32)
    looks = []
    for flip in flips:
        seen = labeller.look(hu, flip)
        looks.append(seen.argmax(axis=-1).astype(np.uint8))
        total += seen
    return total / np.float32(len(looks)), looks


def half_grid(mean: Floats, hu: Volume, shape: Zyx, config: Config) -> Floats:
    """Return probabilities (classes, z/2, y/2, x/2) on the student's grid of cells."""
    data = config.data
    z, y, x = (2 * step for step in data.spacing_mm)
    half = tuple(n // 2 for n in shape)
    result = np.zeros((mean.shape[-1], *half), np.float32)
    for value in range(1, len(result)):
        channel = Volume(np.ascontiguousarray(mean[..., value]), hu.grid)
        result[value] = regrid.fit(to_spacing(channel, (z, y, x), data.threads).array, half)
    result[0] = 1 - result[1:].sum(axis=0)
    return result


def label(entry: Entry, config: Config, labeller: Labeller) -> Said:
    """Return the labels of a case; write what each source says of it to work/sources.

    The teacher's looks are averaged, cleaned, and put around the original labels.
    """
    data, options, work = config.data, config.pseudo_label, config.work
    canonical = to_canonical(read_volume(Path(entry.ct)))
    box = body_box(canonical)
    shape = store.load_ct(work, entry.case).shape
    hu = to_spacing(canonical.crop(box), labeller.facts.spacing_mm, data.threads)
    mean, looks = ask(hu, options.flips, labeller)
    trust = agreement(looks, mean.argmax(axis=-1).astype(np.uint8), data.classes)
    mean = without_known(mean, entry.known)
    soft = clean(half_grid(mean, hu, shape, config), body_mask(hu), options.small_share)
    likeliest = regrid.likeliest(mean, hu.grid, data.spacing_mm, shape, data.threads)
    labels = drop_removed(likeliest, soft)
    for i, seen in enumerate(looks):
        there = regrid.labels_at(seen, hu.grid, data.spacing_mm, shape, data.threads)
        store.save_source(work, entry.case, f"look_{i}", there)
    store.save_source(work, entry.case, "teacher", labels)
    for name, folder in options.sources.items():
        store.save_source(work, entry.case, name, external(entry, folder, config))
    if options.pick == "reliable":
        labels, soft = reliable(entry, config)
    return judged(entry, config, labels, soft, trust, labeller.told)


def judged(
    entry: Entry,
    config: Config,
    labels: Labels,
    soft: Floats,
    trust: list[float],
    told: tuple[bool, ...],
) -> Said:
    """Return labels completed around the original ones, without what is not to be trusted.

    Args:
        entry: The case.
        config: Least agreement, and cases without organs.
        labels: Of the teacher (z, y, x).
        soft: Of the teacher (classes, z/2, y/2, x/2).
        trust: Agreement of the looks, per class from 1 on.
        told: Which classes the teacher can tell.
    """
    known = [own or other for own, other in zip(entry.known, told, strict=True)]
    for value, score in enumerate(trust, start=1):
        if score < config.pseudo_label.least_agreement and not entry.known[value]:
            labels, soft = forget(labels, soft, [value])
            known[value] = False
    if entry.case in config.data.without_organs:
        everything = list(range(1, config.data.classes))
        labels, soft = forget(labels, soft, everything)
        known = [True] * config.data.classes
    elif any(entry.known):
        truth = store.load_truth(config.work, entry.case)
        labels, soft = complete(labels, soft, truth, entry.known)
    names = dict(zip(config.data.keys, (round(score, 4) for score in trust), strict=True))
    return Said(labels, soft, tuple(known), names)


def reliable(entry: Entry, config: Config) -> tuple[Labels, Floats]:
    """Return the most reliable label of a case (paper 2, eq. 1), hard and as shares of cells."""
    sources = store.load_sources(config.work, entry.case)
    names = compared(list(sources), config.curriculum.labels)
    best = sources[most_reliable(reliability({name: sources[name] for name in names}))]
    return best, regrid.shares(best, config.data.classes)


def external(entry: Entry, folder: Path, config: Config) -> Labels:
    """Return what another source says of a case, on the student's grid.

    Raises:
        InputError: It is missing, or on another grid.
    """
    paths = case_files.labelmaps(folder)
    if entry.case not in paths:
        raise InputError(f"{folder} has no label of {entry.case}: add it, or drop the source")
    volume, labelmap = read_volume(Path(entry.ct)), read_labelmap(paths[entry.case])
    regrid.check_grid(entry.case, volume.grid, labelmap.grid)
    ours = np.where(labelmap.array < config.data.classes, labelmap.array, 0).astype(np.uint8)
    canonical = to_canonical(volume)
    roi = to_canonical(Volume(ours, volume.grid)).crop(body_box(canonical))
    shape = store.load_ct(config.work, entry.case).shape
    data = config.data
    there = np.ascontiguousarray(roi.array)
    return regrid.labels_at(there, roi.grid, data.spacing_mm, shape, data.threads)


def original(entry: Entry, config: Config) -> Said:
    """Return the labels of a case that came with all of them."""
    truth = store.load_truth(config.work, entry.case)
    return Said(truth, regrid.shares(truth, config.data.classes), entry.known, {})


class Table:
    """work/labels.json: of each case its known classes, how far looks agree, and which step."""

    def __init__(self, work: Path) -> None:
        """Read what earlier steps wrote."""
        self._path = work / "labels.json"
        self._rows: dict[str, dict[str, object]] = {"known": {}, "agreement": {}, "step": {}}
        if self._path.exists():
            self._rows |= json.loads(self._path.read_text(encoding="utf-8"))

    def is_done(self, case: str, step: str) -> bool:
        """Return whether a step has labelled a case."""
        return self._rows["step"].get(case) == step

    def add(self, case: str, step: str, said: Said) -> None:
        """Write the row of a case."""
        self._rows["known"][case] = list(said.known)
        self._rows["agreement"][case] = said.agreement
        self._rows["step"][case] = step
        write_json(self._path, self._rows)


def main(config: Config, resume: bool = False) -> None:
    """Write labels/, soft/, sources/ and labels.json."""
    which, work = config.pseudo_label.which, config.work
    chosen = settings(config, ("data", "teacher", "pseudo_label"))
    path = RunFolder(config, "pseudo_label").path / f"settings_{which}.json"
    if resume and path.exists():
        check_same(json.loads(path.read_text(encoding="utf-8")), chosen, path)
    write_json(path, chosen)
    warn_of_flips(config)
    table = Table(work)
    entries = [e for e in read_index(config, "train") if e.is_full or wanted(e, which)]
    left = [e for e in entries if not (resume and table.is_done(e.case, which))]
    labeller = load_labeller(config) if any(not e.is_full for e in left) else None
    for i, entry in enumerate(left, start=1):
        if entry.is_full or labeller is None:
            said = original(entry, config)
        else:
            said = label(entry, config, labeller)
        store.save_soft(work, entry.case, said.soft)
        store.save_labels(work, entry.case, said.labels)
        table.add(entry.case, which, said)
        print(f"{i} of {len(left)} {entry.case}: {summary(said)}", flush=True)


def warn_of_flips(config: Config) -> None:
    """Log a warning if a teacher that training made is shown what it never saw."""
    if any(config.pseudo_label.flips) and not config.teacher.onnx and not config.augment.mirror:
        logger.warning(
            "pseudo_label.flips show the teacher mirrored scans, but augment.mirror is 0: it never "
            "learned them; set augment.mirror to 0.5, or pseudo_label.flips to [[]]"
        )


def summary(said: Said) -> str:
    """Return in a few words where the labels of a case come from."""
    if not said.agreement:
        return "has labels of its own"
    name, score = min(said.agreement.items(), key=lambda pair: pair[1])
    return f"labelled; the teacher's looks agree least on {name} ({score:.2f})"


if __name__ == "__main__":
    run_stage(main)
