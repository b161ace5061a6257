"""Stage 4: which cases are easy, which hard, which have no label to trust (paper 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import InputError
from training.cases.index import read_index, taught
from training.cases.run_folder import RunFolder, write_json, write_rows
from training.cases.store import load_sources
from training.config import Config, run_stage
from training.labelling.reliability import compared, difficulty, most_reliable, reliability
from training.sections import Curriculum

GROUPS = ("easy", "hard", "erroneous")
COLORS = {"easy": "tab:green", "hard": "tab:orange", "erroneous": "tab:red"}


@dataclass(frozen=True)
class Row:
    """Scores of a case."""

    case: str
    difficulty: float
    """DS in [0, 1]; high is easy. 1 for a case with its own labels."""
    group: str
    """easy, hard or erroneous."""
    real: str
    """The most reliable label; empty for a case with its own labels."""
    reliability: dict[str, float]
    """RS by label."""


def group_of(score: float, options: Curriculum) -> str:
    """Return the group of a Difficulty Score; the thresholds belong to the easier group."""
    if score >= options.easy:
        return "easy"
    return "hard" if score >= options.erroneous else "erroneous"


def score_case(config: Config, case: str) -> Row:
    """Return the scores of a case from its label sources.

    Raises:
        InputError: There are fewer than two.
    """
    sources = load_sources(config.work, case)
    names = compared(list(sources), config.curriculum.labels)
    if len(names) < 2:
        raise InputError(
            f"{case} has {len(names)} labels to compare ({', '.join(sources) or 'none'}): run "
            "training.pseudo_label with several flips, or give pseudo_label.sources"
        )
    labels = {name: sources[name] for name in names}
    scores = reliability(labels)
    real = most_reliable(scores)
    score = difficulty(labels, real)
    return Row(case, score, group_of(score, config.curriculum), real, scores)


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write scores.csv, the hardest case first."""
    names = sorted({name for row in rows for name in row.reliability})
    columns = ["case", "group", "difficulty", "most_reliable", *(f"rs_{name}" for name in names)]
    lines: list[dict[str, object]] = [
        {
            "case": row.case,
            "group": row.group,
            "difficulty": round(row.difficulty, 4),
            "most_reliable": row.real,
            **{f"rs_{name}": round(score, 4) for name, score in row.reliability.items()},
        }
        for row in sorted(rows, key=lambda row: row.difficulty)
    ]
    write_rows(path, columns, lines)


def draw(rows: Sequence[Row], options: Curriculum, path: Path) -> None:
    """Write a bar per case, the hardest first, with both thresholds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ordered = sorted(rows, key=lambda row: row.difficulty)
    figure = Figure(figsize=(8, 1.5 + 0.22 * len(ordered)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names, scores = [row.case for row in ordered], [row.difficulty for row in ordered]
    axes.barh(names, scores, color=[COLORS[row.group] for row in ordered])
    for limit in (options.erroneous, options.easy):
        axes.axvline(limit, color="black", linestyle="--", linewidth=1)
    counts = ", ".join(f"{sum(r.group == g for r in rows)} {g}" for g in GROUPS)
    axes.set(xlim=(0, 1), xlabel="Difficulty Score (high is easy)", title=counts)
    axes.invert_yaxis()
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def main(config: Config, resume: bool = False) -> None:
    """Write curriculum/scores.csv, scores.png and curriculum.json."""
    folder = RunFolder(config, "curriculum")
    own = {entry.case for entry in read_index(config, "train") if entry.is_full}
    own |= set(config.data.without_organs)
    rows = [
        Row(case, 1.0, "easy", "", {}) if case in own else score_case(config, case)
        for case in taught(config)
    ]
    write_table(rows, folder.path / "scores.csv")
    draw(rows, config.curriculum, folder.path / "scores.png")
    groups = {group: [row.case for row in rows if row.group == group] for group in GROUPS}
    write_json(folder.path / "curriculum.json", groups)
    print(", ".join(f"{len(cases)} {group}" for group, cases in groups.items()))


if __name__ == "__main__":
    run_stage(main)
