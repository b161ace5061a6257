"""Figures of the flags for the speeds that confidence was not learned from: fast and accurate.

    python -m training.doubt.speeds CONFIG [--copies N]

Trees and thresholds are those of balanced copies of other patients, as training.confidence left
them; copies of the other speeds are made and kept beside them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.run_options import Speed
from training.cases.run_folder import RunFolder
from training.config import Config, errors_in_a_line, read_config
from training.doubt import fit, runs
from training.doubt.table import Example, examples, usual_by
from training.doubt.trees import Growth

SPEEDS: tuple[Speed, ...] = ("fast", "accurate")
NAMES = {
    "organs": "organs",
    "poor": "of them poor",
    "spearman": "Spearman of confidence and DSC",
    "auroc_poor": "AUROC for poor ones",
    "poor_flagged": "poor ones flagged",
    "good_flagged": "good ones flagged",
    "mean_error": "mean absolute error",
}


def figures(config: Config, copies: int) -> dict[str, dict[str, Any]]:
    """Return the figures of organs that were found, by speed."""
    options = config.confidence
    model, folder = runs.model_of(config), RunFolder(config, "confidence").path
    facts = read_model_config(model)
    lines = runs.read(folder / "copies.jsonl", facts.sha256)
    if not lines:
        raise InputError(f"{folder} has no copies of {model}: run training.confidence first")
    usual, growth = usual_by(lines, options), Growth(trees=options.trees)
    rows = examples(lines, usual, options.patient)
    patients, found = {row.patient for row in rows}, {}
    for speed in SPEEDS:
        path = folder / f"copies_{speed}.jsonl"
        runs.write(config, model, copies, path, speed)
        others = examples(runs.read(path, facts.at_speed(speed).sha256), usual, options.patient)
        told = [row for row in others if row.patient in patients]
        found[speed] = _of(told, fit.left_out(rows, config.seed, growth, told))
    return found


def _of(rows: list[Example], said: fit.LeftOut) -> dict[str, Any]:
    return fit.figures(rows, said, np.array([row.is_there for row in rows]))


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return figures as a table of Markdown."""
    lines = ["| | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for key, words in NAMES.items():
        lines.append(f"| {words} | " + " | ".join(str(one[key]) for one in found.values()) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m training.doubt.speeds")
    parser.add_argument("config", type=Path)
    parser.add_argument("--copies", type=int, default=2, help="of each case, the clean one too")
    given = parser.parse_args()
    with errors_in_a_line():
        print(table(figures(read_config(given.config), given.copies)))


if __name__ == "__main__":
    main()
