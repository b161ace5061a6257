"""Stage 1: CTs and labels to the student's grid, with the reading and resampling of inference."""

from __future__ import annotations

import dataclasses
import json
import logging
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Volume
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.preprocessing.body import body_box
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.preprocessing.resample import to_spacing
from training.cases import regrid
from training.cases.index import Entry, check_split, write_index
from training.cases.layouts import Source, find
from training.cases.run_folder import RunFolder, write_json
from training.cases.store import save_ct, save_truth
from training.config import Config, check_same, run_stage, settings

logger = logging.getLogger(__name__)

SAMPLES = 10_000
"""Voxels of a case that the fingerprint looks at (nnU-Net: 10,000)."""


def prepare_case(source: Source, config: Config) -> dict[str, object]:
    """Write ct/<case>.npz, and truth/<case>.npz if there is a label; return its facts.

    The CT is int16 HU, (z, y, x), even shape. Labels that are not ours become 0.

    Raises:
        InputError: CT or label cannot be used.
    """
    data = config.data
    volume = read_volume(source.ct)
    canonical = to_canonical(volume)
    box = body_box(canonical)
    roi = canonical.crop(box)
    resampled = to_spacing(roi, data.spacing_mm, data.threads)
    missing = [(0, n % 2) for n in resampled.array.shape]
    hu = np.rint(np.pad(resampled.array, missing, mode="edge")).astype(np.int16)
    foreground = hu > -400
    if source.label:
        labelmap = read_labelmap(source.label)
        regrid.check_grid(source.case, volume.grid, labelmap.grid)
        cleaned = clean_values(labelmap.array, source)
        turned = to_canonical(Volume(cleaned, volume.grid)).crop(box)
        truth = regrid.labels_at(
            np.ascontiguousarray(turned.array), roi.grid, data.spacing_mm, hu.shape, data.threads
        )
        save_truth(config.work, source.case, truth)
        foreground = truth > 0 if truth.any() else foreground
    save_ct(config.work, source.case, hu)
    return {
        "spacing_mm": canonical.grid.spacing_mm,
        "shape": canonical.grid.shape,
        "hu": some(hu[foreground], config.seed).tolist(),
    }


def some(values: NDArray[np.int16], seed: int) -> NDArray[np.int16]:
    """Return up to SAMPLES of the values, drawn with repetition."""
    if not values.size:
        return values
    return values[np.random.default_rng(seed).integers(0, values.size, SAMPLES)]


def clean_values(labels: NDArray[np.uint8], source: Source) -> NDArray[np.uint8]:
    """Return labels in our values; what is none of ours, or not told to be known, becomes 0."""
    values = source.values.copy()
    for value in range(1, len(source.known)):
        if not source.known[value]:
            values[values == value] = 0
    counts = np.bincount(labels.ravel(), minlength=256)
    for value in np.flatnonzero(counts):
        if value and not values[value]:
            logger.warning(
                "%s: %d voxels have the value %d, which is not ours or not known there: now 0",
                source.case, counts[value], value,
            )  # fmt: skip
    cleaned: NDArray[np.uint8] = values[labels]
    return cleaned


def split(sources: Sequence[Source], config: Config) -> dict[str, str]:
    """Return train or val for each case; all cases of a patient are on one side.

    Raises:
        InputError: data.val names a case that is not there, or one without label.
    """
    data, names = config.data, [source.case for source in sources]
    val = set(data.val)
    if data.val_cases:
        val |= {s.case for s in sources if s.ct.is_relative_to(data.val_cases)}
    if unknown := sorted(val - set(names)):
        raise InputError(f"data.val names {unknown}, which are not in {data.cases}: correct it")
    if data.val_share and not val:
        val = _drawn(sources, config)
    without = [s.case for s in sources if s.case in val and s.label is None]
    if without:
        raise InputError(f"the validation cases {without} have no label: add it, or choose others")
    return {name: "val" if name in val else "train" for name in names}


def _drawn(sources: Sequence[Source], config: Config) -> set[str]:
    """Return the cases of a share of the patients, of those whose cases all have full labels."""
    of_patient: dict[str, list[Source]] = {}
    for source in sources:
        of_patient.setdefault(patient_of(source.case, config), []).append(source)
    labelled = sorted(p for p, own in of_patient.items() if all(all(s.known) for s in own))
    count = max(1, round(config.data.val_share * len(of_patient)))
    if len(labelled) < count or count >= len(of_patient):
        raise InputError(
            f"data.val_share asks for {count} of {len(of_patient)} patients, {len(labelled)} have "
            "full labels, and one must be left to train on: set data.val, or a smaller share"
        )
    chosen = random.Random(config.seed).sample(labelled, count)
    return {source.case for patient in chosen for source in of_patient[patient]}


def patient_of(case: str, config: Config) -> str:
    """Return the patient of a case."""
    return config.data.patients.get(case, case)


def fingerprint(facts: Sequence[dict[str, object]]) -> dict[str, object]:
    """Return what the CTs have in common: spacing, shape, HU inside the organs.

    HU percentiles, mean and SD are taken over SAMPLES voxels of each case, as nnU-Net does: of the
    organs where a case has labels, else of the body.
    """
    hu = np.concatenate([np.array(fact["hu"], np.float32) for fact in facts])
    spacings = np.array([fact["spacing_mm"] for fact in facts])
    percentiles = {str(p): float(np.percentile(hu, p)) for p in (0.5, 50, 99.5)} if hu.size else {}
    return {
        "cases": len(facts),
        "spacing_mm_median": np.median(spacings, axis=0).tolist(),
        "spacing_mm_least": spacings.min(axis=0).tolist(),
        "spacing_mm_most": spacings.max(axis=0).tolist(),
        "shape_median": np.median([fact["shape"] for fact in facts], axis=0).tolist(),
        "hu_percentiles": percentiles,
        "hu_mean": float(hu.mean()) if hu.size else 0.0,
        "hu_sd": float(hu.std()) if hu.size else 0.0,
    }


def main(config: Config, resume: bool = False) -> None:
    """Write ct/, truth/, cases.json, and prepare/ with the fingerprint and the facts of cases."""
    sources = find(config.data)
    sides = split(sources, config)
    entries = [
        Entry(s.case, patient_of(s.case, config), sides[s.case], s.known, str(s.ct),
              str(s.label or ""))
        for s in sources
    ]  # fmt: skip
    check_split(entries)
    folder = RunFolder(config, "prepare")
    chosen = settings(config, ("data",))
    path = folder.path / "settings.json"
    if resume and path.exists():
        check_same(json.loads(path.read_text(encoding="utf-8")), chosen, path)
    write_json(path, chosen)
    facts = []
    for i, source in enumerate(sources, start=1):
        done = folder.path / "cases" / f"{source.case}.json"
        if not (resume and done.exists()):
            write_json(done, prepare_case(source, config))
        facts.append(json.loads(done.read_text(encoding="utf-8")))
        print(f"{i} of {len(sources)} {source.case} {sides[source.case]}", flush=True)
    write_json(folder.path / "fingerprint.json", fingerprint(facts))
    told = [
        dataclasses.replace(e, spacing_mm=tuple(f["spacing_mm"]), shape=tuple(f["shape"]))
        for e, f in zip(entries, facts, strict=True)
    ]
    write_index(config.work, told)


if __name__ == "__main__":
    run_stage(main)
