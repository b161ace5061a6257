"""What a model says of degraded copies: a line of JSON per copy, with the DSC of each organ."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.run_options import RunOptions, Speed
from FlareSegLib.evaluation.metrics import dice
from FlareSegLib.inference.runtimes import load_network
from FlareSegLib.pipeline import segment
from FlareSegLib.reporting.result import Result
from training.cases.index import Entry
from training.config import Config
from training.doubt.degrade import WAYS, Copy
from training.doubt.labelled import copy_of, labelled
from training.doubt.workers import results

FEWEST_VOXELS = 20
"""Of the student's grid: an organ of which the truth has less is left out: a matter of taste."""


@dataclass(frozen=True)
class Draw:
    """A copy that is to be made."""

    entry: Entry
    way: str
    seed: int

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from the others."""
        return self.entry.case, self.seed


class Labeller:
    """A model that labels copies, in a process of its own or here."""

    def __init__(self, config: Config, folder: Path, speed: Speed) -> None:
        """Load the model of a folder."""
        self._config, self._facts = config, facts_of(config, folder, speed)
        self._options = RunOptions(threads=config.data.threads, speed=speed)
        self._network = load_network(folder, self._facts, config.data.threads, "onnxruntime")

    def __call__(self, draw: Draw) -> dict:
        """Make a copy, label it, and return its line."""
        entry, facts = draw.entry, self._facts
        copy, known = copy_of(self._config, entry, draw.way, draw.seed)
        result = segment(copy.volume, self._network, facts, self._options)
        grid = {"shape": copy.hu.shape, "spacing_mm": copy.spacing_mm}
        return {
            "sha256": facts.sha256, "case": entry.case, "patient": entry.patient,
            "split": entry.split, "way": draw.way, "seed": draw.seed, "grid": grid,
            **seen_by(result, copy, known),
        }  # fmt: skip


def model_of(config: Config) -> Path:
    """Return the folder of the model whose confidence is learned."""
    return config.confidence.model or config.work / config.export.name


def facts_of(config: Config, folder: Path, speed: Speed = "balanced") -> ModelConfig:
    """Return the facts of a model without its confidence: copies do not depend on the last one.

    Raises:
        ModelError: It is no model for the labels of the cases.
    """
    facts = replace(read_model_config(folder).at_speed(speed), confidence=None)
    if facts.recipe:
        raise ModelError(f"{folder} is an imported model: confidence is learned of our own only")
    if facts.values != tuple(range(config.data.classes)):
        raise ModelError(
            f"{folder} has labels {facts.values}, the cases 0 to {config.data.classes - 1}: set "
            "data.labels to the labels.json of the model"
        )
    return facts


def planned(entries: list[Entry], copies: int) -> Iterator[Draw]:
    """Yield each copy that is to be made: every way is met, all cases clean first."""
    ways = [way for way in WAYS if way != "clean"]
    for number in range(copies):
        for i, entry in enumerate(entries):
            way = "clean" if not number else ways[(number - 1 + 5 * i) % len(ways)]
            yield Draw(entry, way, zlib.crc32(f"{entry.case} {number}".encode()))


def write(config: Config, folder: Path, copies: int, path: Path, speed: Speed = "balanced") -> None:
    """Add a line per copy to a file, as each is done; what the file holds is not done again.

    Args:
        config: Of the prepared cases.
        folder: Of the model.
        copies: Of each case, the clean one included.
        path: Takes the lines.
        speed: Of the runs.
    """
    done = {
        (row["case"], row["seed"]) for row in read(path, facts_of(config, folder, speed).sha256)
    }
    plan = list(planned(labelled(config), copies))
    left = [draw for draw in plan if draw.key not in done]
    begun, make = time.monotonic(), (Labeller, config, folder, speed)
    for number, row in enumerate(results(make, left, config.confidence.workers), start=1):
        _append(path, row)
        each = (time.monotonic() - begun) / number
        print(
            f"{len(plan) - len(left) + number} of {len(plan)} {row['case']}: {row['way']}; "
            f"{each * (len(left) - number) / 60:.0f} min left",
            flush=True,
        )


def _append(path: Path, row: dict) -> None:
    """Add a line to a file, on a line of its own even if a kill has cut the last one."""
    is_cut = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * is_cut + json.dumps(row) + "\n")


def read(path: Path, sha256: str) -> list[dict]:
    """Return the lines that write() wrote of a network."""
    return [line for line in lines_of(path) if line["sha256"] == sha256]


def lines_of(path: Path) -> list[dict]:
    """Return what the lines of a file say, but for one that was cut; nothing without a file."""
    if not path.exists():
        return []
    lines = (_parsed(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _parsed(line: str) -> dict | None:
    try:
        found: dict = json.loads(line)
    except ValueError:  # a kill, or a full disk
        return None
    return found


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
