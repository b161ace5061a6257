"""Prepared cases with their labels: the teacher's, or their own."""

from __future__ import annotations

import json

import numpy as np

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.preprocessing.body import body_box
from FlareSegLib.preprocessing.orient import to_canonical
from training.cases import regrid, store
from training.cases.index import Entry, read_index
from training.cases.layouts import Source, find
from training.config import Config
from training.doubt.degrade import Copy, degraded

Known = tuple[bool, ...]
"""Which classes the labels of a case tell, background first."""


def labelled(config: Config) -> list[Entry]:
    """Return the prepared cases that have labels.

    Raises:
        InputError: None has.
    """
    entries = read_index(config)
    found = [e for e in entries if _kind(e, config) or _source(e, config)]
    if not found:
        raise InputError(
            f"none of the {len(entries)} cases in {config.work} has labels: run "
            "training.pseudo_label"
        )
    return found


def load(entry: Entry, config: Config) -> tuple[Copy, Known]:
    """Return a labelled case, and which classes its labels tell.

    Raises:
        InputError: It has no labels.
    """
    work, mm = config.work, config.data.spacing_mm
    hu = store.load_ct(work, entry.case).astype(np.float32)
    kind = _kind(entry, config)
    if kind == "labels":
        return Copy(hu, store.load_labels(work, entry.case), mm), _taught(entry, config)
    if kind == "truth":
        return Copy(hu, store.load_truth(work, entry.case), mm), entry.known
    source = _source(entry, config)
    if source is None:
        raise InputError(f"{entry.case} has no labels: run training.pseudo_label")
    return _with_its_label(source, hu, config)


def copy_of(config: Config, entry: Entry, way: str, seed: int) -> tuple[Copy, Known]:
    """Return a degraded copy of a labelled case, and which classes its labels tell."""
    copy, known = load(entry, config)
    return degraded(copy, way, np.random.default_rng(seed)), known


def _kind(entry: Entry, config: Config) -> str:
    """Return the folder of work that holds labels of a case; empty if none does."""
    kinds = ("labels", "truth")
    return next((k for k in kinds if (config.work / k / f"{entry.case}.npz").exists()), "")


def _taught(entry: Entry, config: Config) -> Known:
    """Return which classes the labels in work/labels tell: all, unless pseudo_label says less."""
    path = config.work / "labels.json"
    known = json.loads(path.read_text(encoding="utf-8"))["known"] if path.exists() else {}
    return tuple(known.get(entry.case, (True,) * config.data.classes))


def _source(entry: Entry, config: Config) -> Source | None:
    """Return where a validation case came from, whose label prepare leaves where it is."""
    return next((s for s in find(config.data) if s.case == entry.case and s.label), None)


def _with_its_label(source: Source, hu: np.ndarray, config: Config) -> tuple[Copy, Known]:
    """Return a case with the label that lies beside its CT."""
    assert source.label is not None
    labelmap = read_labelmap(source.label)
    ours = Labelmap(source.values[labelmap.array], labelmap.grid)
    box = body_box(to_canonical(read_volume(source.ct)))
    roi, data = to_canonical(ours).crop(box), config.data
    labels = regrid.labels_at(
        np.ascontiguousarray(roi.array), roi.grid, data.spacing_mm, hu.shape, data.threads
    )
    known = (True, *(bool((labels == v).any()) for v in range(1, data.classes)))
    return Copy(hu, labels, data.spacing_mm), known
