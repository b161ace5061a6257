"""Figures of the flags, also for the speeds that confidence was not learned from: fast, accurate.

    python -m training.doubt.speeds CONFIG [--copies N]

The tables of docs/trust.md. Trees and thresholds are those of balanced copies of other patients, as
training.confidence left them; copies of the other speeds are made and kept beside them.
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
FOUND = {
    "organs": "organs",
    "poor": "of them poor",
    "spearman": "Spearman of confidence and DSC",
    "auroc_poor": "AUROC for poor ones",
    "poor_flagged": "poor ones flagged",
    "good_flagged": "good ones flagged",
    "mean_error": "mean absolute error",
}
NOT_FOUND = {
    "organs": "organs",
    "poor": "of them there after all",
    "auroc_poor": "AUROC for these",
    "poor_flagged": "of these flagged",
    "good_flagged": "others flagged",
}


def told(config: Config, copies: int) -> dict[str, list[Example]]:
    """Return organs of copies by the words over their column: balanced, then the other speeds."""
    options = config.confidence
    model, folder = runs.model_of(config), RunFolder(config, "confidence").path
    facts = read_model_config(model)
    lines = runs.read(folder / "copies.jsonl", facts.sha256)
    if not lines:
        raise InputError(f"{folder} has no copies of {model}: run training.confidence first")
    usual = usual_by(lines, options)
    rows = examples(lines, usual, options.patient)
    others = {}
    for speed in SPEEDS:
        path = folder / f"copies_{speed}.jsonl"
        runs.write(config, model, copies, path, speed)
        lines = runs.read(path, facts.at_speed(speed).sha256)
        others[f"{speed}, these"] = examples(lines, usual, options.patient)
    return by_column(rows, others)


def by_column(rows: list[Example], others: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """Return examples of balanced, of the same copies as the others have, and the others."""
    copies = {(row.case, row.seed) for some in others.values() for row in some}
    same = [row for row in rows if (row.case, row.seed) in copies]
    return {"balanced": rows, f"balanced, the {len(copies)} copies": same, **others}


def figures(
    columns: dict[str, list[Example]], seed: int, growth: Growth
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the figures of organs that were found, and of the others, by column.

    Args:
        columns: Examples; the first are those that trees are grown from.
        seed: Of folds and trees.
        growth: Of the trees.
    """
    rows = next(iter(columns.values()))
    patients = {row.patient for row in rows}
    known = {
        name: [row for row in some if row.patient in patients] for name, some in columns.items()
    }
    said = fit.left_out(rows, seed, growth, [row for some in known.values() for row in some])
    found, missed, at = {}, {}, 0
    for name, some in known.items():
        mine = slice(at, at + len(some))
        own, at = fit.LeftOut(said.confidence[mine], said.doubtful[mine]), mine.stop
        there = np.array([row.is_there for row in some], np.bool_)
        found[name] = fit.figures(some, own, there)
        missed[name] = fit.figures(some, own, ~there)
    return found, missed


def table(title: str, names: dict[str, str], found: dict[str, dict[str, Any]]) -> str:
    """Return figures as a table of Markdown."""
    lines = [f"| {title} | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for key, words in names.items():
        lines.append(f"| {words} | " + " | ".join(str(one[key]) for one in found.values()) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m training.doubt.speeds")
    parser.add_argument("config", type=Path)
    parser.add_argument("--copies", type=int, default=2, help="of each case, the clean one too")
    given = parser.parse_args()
    with errors_in_a_line():
        config = read_config(given.config)
        columns = told(config, given.copies)
        found, missed = figures(columns, config.seed, Growth(trees=config.confidence.trees))
        print(table("organs that were found", FOUND, found), end="\n\n")
        print(table("organs that were not found", NOT_FOUND, missed))


if __name__ == "__main__":
    main()
