"""What a model says of degraded copies: a line of JSON per copy, with the DSC of each organ."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.run_options import RunOptions, Speed
from FlareSegLib.evaluation.metrics import dice
from FlareSegLib.inference.network import Network
from FlareSegLib.inference.runtimes import load_network
from FlareSegLib.pipeline import segment
from FlareSegLib.reporting.result import Result
from training.cases import store
from training.cases.index import Entry, read_index
from training.cases.layouts import find
from training.config import Config
from training.doubt.degrade import WAYS, Copy, degraded

FEWEST_VOXELS = 20
"""Of the student's grid: an organ of which the truth has less is left out: a matter of taste."""


def model_of(config: Config) -> Path:
    """Return the folder of the model whose confidence is learned."""
    return config.confidence.model or config.work / config.export.name


def load(entry: Entry, config: Config) -> tuple[Copy, tuple[bool, ...]] | None:
    """Return a prepared case with its labels, and which classes they tell; None without labels."""
    work, mm = config.work, config.data.spacing_mm
    hu = store.load_ct(work, entry.case).astype(np.float32)
    if (work / "labels" / f"{entry.case}.npz").exists():
        rows = json.loads((work / "labels.json").read_text(encoding="utf-8"))
        known = tuple(rows["known"][entry.case])
        return Copy(hu, store.load_labels(work, entry.case), mm), known
    if (work / "truth" / f"{entry.case}.npz").exists():
        return Copy(hu, store.load_truth(work, entry.case), mm), entry.known
    return _with_its_label(entry, hu, config)


def _with_its_label(
    entry: Entry, hu: np.ndarray, config: Config
) -> tuple[Copy, tuple[bool, ...]] | None:
    """Return a validation case, whose label prepare leaves where it is."""
    from FlareSegLib.base.geometry import Labelmap
    from FlareSegLib.images.reading import read_labelmap, read_volume
    from FlareSegLib.preprocessing.body import body_box
    from FlareSegLib.preprocessing.orient import to_canonical
    from training.cases import regrid

    source = next((s for s in find(config.data) if s.case == entry.case and s.label), None)
    if source is None:
        return None
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


def planned(entries: list[Entry], copies: int) -> Iterator[tuple[Entry, str, int]]:
    """Yield case, way and seed of each copy: every way is met, all cases clean first."""
    ways = [way for way in WAYS if way != "clean"]
    for number in range(copies):
        for i, entry in enumerate(entries):
            way = "clean" if not number else ways[(number - 1 + 5 * i) % len(ways)]
            yield entry, way, zlib.crc32(f"{entry.case} {number}".encode())


def write(config: Config, folder: Path, copies: int, path: Path, speed: Speed = "balanced") -> None:
    """Add a line per copy to a file; what it holds is not done again.

    Args:
        config: Of the prepared cases.
        folder: Of the model.
        copies: Of each case, the clean one included.
        path: Takes the lines.
        speed: Of the runs.
    """
    facts = read_model_config(folder).at_speed(speed)
    network = load_network(folder, facts, config.data.threads, "onnxruntime")
    done = {(row["case"], row["seed"]) for row in read(path, facts.sha256)}
    entries = [entry for entry in read_index(config) if load(entry, config)]
    plan = list(planned(entries, copies))
    for number, (entry, way, seed) in enumerate(plan, start=1):
        if (entry.case, seed) not in done:
            row = _row(config, entry, (way, seed), network, facts, speed)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{number} of {len(plan)} {entry.case}: {way}", flush=True)


def read(path: Path, sha256: str) -> list[dict]:
    """Return the lines that write() wrote of a network."""
    return [line for line in lines_of(path) if line["sha256"] == sha256]


def lines_of(path: Path) -> list[dict]:
    """Return what the lines of a file say; nothing if it is not there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def copy_of(config: Config, entry: Entry, way: str, seed: int) -> tuple[Copy, tuple[bool, ...]]:
    """Return a degraded copy of a case, and which classes its labels tell."""
    loaded = load(entry, config)
    assert loaded is not None
    return degraded(loaded[0], way, np.random.default_rng(seed)), loaded[1]


def _row(
    config: Config,
    entry: Entry,
    drawn: tuple[str, int],
    network: Network,
    facts: ModelConfig,
    speed: Speed,
) -> dict:
    copy, known = copy_of(config, entry, *drawn)
    options = RunOptions(threads=config.data.threads, speed=speed)
    result = segment(copy.volume, network, facts, options)
    grid = {"shape": copy.hu.shape, "spacing_mm": copy.spacing_mm}
    return {
        "sha256": facts.sha256, "case": entry.case, "patient": entry.patient,
        "split": entry.split, "way": drawn[0], "seed": drawn[1], "grid": grid,
        **seen_by(result, copy, known),
    }  # fmt: skip


def seen_by(result: Result, copy: Copy, known: tuple[bool, ...]) -> dict:
    """Return what a run knew and said of each organ, with its truth and DSC."""
    truth, said = copy.labels, result.labelmap.array
    organs = {}
    for row in result.report.organs:
        true = truth == row.value
        count = int(np.count_nonzero(true))
        is_told = known[row.value] and (count == 0 or count >= FEWEST_VOXELS)
        organs[row.key] = {
            **asdict(row),
            "evidence": dict(result.seen.evidence[row.value]),
            "true_ml": count * copy.volume.grid.voxel_ml,
            "dsc": dice(true, said == row.value) if is_told and (count or row.components) else None,
        }
    removed = result.report.facts["removed_ml"]
    return {"scan": asdict(result.seen.scan), "organs": organs, "removed_ml": removed}
