"""Scores as tables: CSV for programs, Markdown for people."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from FlareSegLib.base.atomic import atomic
from FlareSegLib.evaluation.scores import MEASURES, Estimate, Evaluation, Mean, Paired, Rules, Score

SCORES, MEANS, PAIRED, SUMMARY = "scores.csv", "means.csv", "paired.csv", "evaluation.md"
"""Names of the files in the folder of an evaluation."""
TITLES = {
    "dsc": "DSC",
    "nsd": "NSD",
    "hd95_mm": "HD95 mm",
    "volume_error_percent": "volume error %",
}
NONE = "-"
_Row = Sequence[object]


def write_tables(evaluation: Evaluation, rules: Rules, folder: Path) -> None:
    """Write all tables of an evaluation into a folder."""
    write_scores(evaluation.scores, folder / SCORES)
    _write_csv(_mean_rows(evaluation.means), folder / MEANS)
    if evaluation.paired:
        _write_csv(_paired_rows(evaluation.paired), folder / PAIRED)
    parts = ["# Evaluation", rule_text(rules), summary(evaluation, rules), "## DSC per case"]
    parts += [_case_table(evaluation.scores, "dsc", rules), "## NSD per case"]
    _write_text(
        "\n\n".join([*parts, _case_table(evaluation.scores, "nsd", rules)]), folder / SUMMARY
    )


def write_scores(scores: Sequence[Score], path: Path) -> None:
    """Write a line per case and organ; hd95_mm is inf where only one of the two has the organ."""
    names = ("case", "organ", *MEASURES, "truth_ml", "pred_ml")
    rows = [[getattr(score, name) for name in names] + [int(score.is_counted)] for score in scores]
    _write_csv([(*names, "is_counted"), *rows], path)


def rule_text(rules: Rules) -> str:
    """Return in words what goes into the means."""
    absent = {
        "score": "An organ that the truth lacks scores 1 if the prediction lacks it too, else 0.",
        "skip": "Organs that the truth lacks are left out.",
    }[rules.absent]
    least = (
        f" Organs of which the truth has less than {rules.sliver_ml:g} ml, but some, are left out."
    )
    slivers = least if rules.sliver_ml else ""
    return (
        f"{absent}{slivers}{_tube_text(rules)} HD95: cases where both have the organ. In "
        "brackets: 95 % bootstrap interval over cases."
    )


def _tube_text(rules: Rules) -> str:
    names = [organ.name for organ in rules.labels.tubes]
    if not names:
        return ""
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    are = "are" if len(names) > 1 else "is"
    return (
        f" {listed[0].upper()}{listed[1:]} {are} scored over the slices where the truth has them."
    )


def summary(evaluation: Evaluation, rules: Rules) -> str:
    """Return the means, and the comparison if there is one, as tables."""
    rows = [("organ", "cases", *(TITLES[measure] for measure in MEASURES))]
    for mean in evaluation.means:
        cases = str(mean.dsc.cases) if mean.dsc else "0"
        values = (
            _in_words(mean.dsc),
            _in_words(mean.nsd),
            _in_words(mean.hd95_mm, digits=1),
            _in_words(mean.volume_error_percent, digits=1, sign="+"),
        )
        rows.append((rules.name(mean.organ), cases, *values))
    tables = [_table(rows)]
    if evaluation.paired:
        pairs = [("organ", "measure", "cases", "difference to the other", "Wilcoxon p")]
        for row in evaluation.paired:
            shown = _in_words(row.difference, sign="+")
            cases = str(row.difference.cases)
            pairs.append((rules.name(row.organ), TITLES[row.measure], cases, shown, _p(row.p)))
        tables.append(_table(pairs))
    return "\n\n".join(tables)


def _p(p: float | None) -> str:
    return NONE if p is None else f"{p:.3g}"


def _in_words(estimate: Estimate | None, *, digits: int = 3, sign: str = "") -> str:
    if estimate is None:
        return NONE
    shown = f"{estimate.mean:{sign}.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return shown
    return f"{shown} ({estimate.low:{sign}.{digits}f} to {estimate.high:{sign}.{digits}f})"


def _case_table(scores: Sequence[Score], measure: str, rules: Rules) -> str:
    """Return a table with cases down and organs across; what is not counted is in brackets."""
    organs = list(dict.fromkeys(score.organ for score in scores))
    cells = {(score.case, score.organ): score for score in scores}
    rows = [("case", *map(rules.name, organs))]
    for case in dict.fromkeys(score.case for score in scores):
        found = [cells[case, organ] for organ in organs]
        values = [f"{getattr(score, measure):.3f}" for score in found]
        shown = [v if s.is_counted else f"({v})" for v, s in zip(values, found, strict=True)]
        rows.append((case.replace("|", "\\|"), *shown))
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, padded so that it reads well in a terminal too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _estimate_columns(measure: str) -> tuple[str, ...]:
    return (measure, f"{measure}_low", f"{measure}_high", f"{measure}_cases")


def _cells(estimate: Estimate | None) -> _Row:
    if estimate is None:
        return (None, None, None, 0)
    return (estimate.mean, estimate.low, estimate.high, estimate.cases)


def _mean_rows(means: Sequence[Mean]) -> Iterable[_Row]:
    yield ["organ", *(column for measure in MEASURES for column in _estimate_columns(measure))]
    for mean in means:
        found = (_cells(getattr(mean, measure)) for measure in MEASURES)
        yield [mean.organ, *(cell for cells in found for cell in cells)]


def _paired_rows(paired: Sequence[Paired]) -> Iterable[_Row]:
    yield ["organ", "measure", *_estimate_columns("difference"), "wilcoxon_p"]
    for row in paired:
        yield [row.organ, row.measure, *_cells(row.difference), row.p]


def _write_csv(rows: Iterable[_Row], path: Path) -> None:
    """Write rows; floats get six digits, None and nan are empty cells."""
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerows([_plain(cell) for cell in row] for row in rows)
    _write_text(lines.getvalue(), path)


def _plain(cell: object) -> object:
    if isinstance(cell, float) and math.isnan(cell):
        return None
    return float(f"{cell:.6g}") if isinstance(cell, float) and math.isfinite(cell) else cell


def _write_text(text: str, path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
