"""MODEL_CARD.md: what a model is, what it was trained on, and how good it was measured to be.

export writes it, evaluate writes it again with figures; every figure in it was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from FlareSegLib.base.atomic import atomic
from training.cases.index import read_index
from training.cases.run_folder import write_json
from training.config import Config

FACTS = "card.json"
"""What the card is made of; beside the evaluation in work."""


def parameters(model: nn.Module) -> int:
    """Return the number of weights."""
    return sum(weight.numel() for weight in model.parameters())


def write_card(config: Config, folder: Path, found: Mapping[str, object]) -> None:
    """Add what was found to the facts of the card, and write it into the model folder.

    Args:
        config: Of the model.
        folder: The model folder.
        found: Such as parameters and parity (export), or figures (evaluate). New weights, told by
            parity, put away the figures of the old ones.
    """
    path = config.work / "evaluate" / FACTS
    facts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    facts = dict(found) if "parity" in found else {**facts, **found}
    write_json(path, facts)
    parts = [
        f"# {config.export.name}, version {config.export.version}",
        "Abdominal organs in a CT. **For research only; not a medical device.**",
        "## What it is\n\n" + _network(config, facts),
        "## What it was trained on\n\n" + _training(config),
        "## Figures\n\n" + str(facts.get("figures", "Not measured yet: run training.evaluate.")),
        "## Limits\n\n" + _limits(config),
        "## Licence\n\n" + (config.export.licence or "Not stated: set export.licence."),
    ]
    with atomic(folder / "MODEL_CARD.md") as part:
        part.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _network(config: Config, facts: Mapping[str, object]) -> str:
    data, student = config.data, config.student
    low, high = data.hu_range
    z, y, x = data.spacing_mm
    return (
        f"A {student.kind} student, widths {' / '.join(map(str, student.channels))}, "
        f"{facts.get('parameters', 0):,} parameters. Windows of "
        f"{' x '.join(map(str, config.export.window))} voxels of {z:g} x {y:g} x {x:g} mm "
        f"(z, y, x), HU clipped to [{low:g}, {high:g}], minus {data.hu_mean:.2f}, divided by "
        f"{data.hu_sd:.2f}. Classes: {', '.join(data.keys)}. onnxruntime and torch differ by at "
        f"most {facts.get('parity', 0):.2g} in a logit." + _larger(config, facts)
    )


def _larger(config: Config, facts: Mapping[str, object]) -> str:
    """Return what speed "accurate" has of its own."""
    if not config.accurate.start:
        return ""
    return (
        f" Speed `accurate` has a larger network: widths "
        f"{' / '.join(map(str, config.accurate.channels))}, "
        f"{facts.get('accurate_parameters', 0):,} parameters."
    )


def _training(config: Config) -> str:
    entries = read_index(config, "train")
    known = [e for e in entries if (config.work / "labels" / f"{e.case}.npz").exists()]
    own = sum(entry.is_full for entry in entries)
    partial = sum(entry.is_partial for entry in entries)
    teacher = config.teacher
    if teacher.onnx:
        named = f"{teacher.facts.get('name', teacher.onnx.name)} {teacher.facts.get('version', '')}"
    else:
        named = f"a network of our own ({teacher.size})"
    train = config.train
    return (
        f"{config.export.trained_on or 'Origin of the CTs not stated: set export.trained_on.'}\n\n"
        f"{len(known)} CTs: {own} came with labels of all classes, {partial} of some, the others "
        f"without. What was missing was labelled by {named.strip()}, seen "
        f"{len(config.pseudo_label.flips)} times (flips). {train.steps:,} steps of "
        f"{train.batch or 'as many as fit'} patches of {' x '.join(map(str, train.patch))} voxels, "
        f"{train.optimizer}, seed {config.seed}."
        + (" Easy cases first, then hard ones." if config.curriculum.use else "")
    )


def _limits(config: Config) -> str:
    val = [entry for entry in read_index(config) if entry.split == "val"]
    teacher = "the labels" if config.teacher.onnx is None else "its teacher"
    return (
        f"- {len(val)} validation cases: the figures say as much as that number allows.\n"
        f"- It cannot be better than {teacher} where these are wrong.\n"
        "- Nothing is known of scans unlike those above: look at every result."
    )
