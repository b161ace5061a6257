"""Compare a folder of predictions with the truth, as FLARE does. The rules: docs/evaluation.md."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from FlareSegLib.base.atomic import check_place
from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.base.labels import MOST_VALUE, LabelSet, Organ
from FlareSegLib.base.progress import Progress, Step, silent
from FlareSegLib.base.runs import boxes_of
from FlareSegLib.evaluation import metrics, plots, tables
from FlareSegLib.evaluation.scores import Evaluation, Rules, Score, compare, means, worst_cases
from FlareSegLib.images import case_files
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.preprocessing import orient
from FlareSegLib.reporting import preview

logger = logging.getLogger(__name__)

PICTURES = 3
"""Of the worst cases."""
_Slices = tuple[slice, slice, slice]


@dataclass(frozen=True)
class EvaluationJob:
    """What to compare and what to write."""

    truth: Path
    """Folder with <case>.nii.gz or <case>/label.nii.gz; other extensions of labelmaps too."""
    pred: Path
    """Folder of the same kind."""
    against: Path | None = None
    """Another prediction of the same cases, to compare with in pairs."""
    folder: Path | None = None
    """Where tables and plots go, if they are wanted."""
    csv: Path | None = None
    """Where the table per case and organ goes, if it is wanted elsewhere."""
    has_plots: bool = False
    """Write plots into the folder."""
    images: Path | None = None
    """Folder with the CTs for the pictures of the worst cases; None: beside the truth."""


def evaluate(job: EvaluationJob, rules: Rules, progress: Progress = silent) -> Evaluation:
    """Score all cases, write what the job asks for, and return it.

    Raises:
        InputError: A prediction is missing, lies on another grid, or a file is no labelmap.
        OutputError: A file cannot be written.
    """
    _check_job(job)
    parts = 2 if job.against else 1
    scores = score_folder(job.truth, job.pred, rules, _part(progress, 0, parts))
    others = []
    if job.against:
        others = score_folder(job.truth, job.against, rules, _part(progress, 1, parts))
    evaluation = Evaluation(scores, means(scores), compare(scores, others) if others else [])
    if job.folder:
        tables.write_tables(evaluation, rules, job.folder)
    if job.csv:
        tables.write_scores(scores, job.csv)
    if job.has_plots and job.folder:
        progress(Step("plots", 0.95))
        _write_plots(job, rules, scores, job.folder)
    return evaluation


def score_folder(truth: Path, pred: Path, rules: Rules, progress: Progress = silent) -> list[Score]:
    """Return the scores of all cases in the folder of the truth, by name and then by organ.

    Raises:
        InputError: As in evaluate().
    """
    cases = case_files.matched(truth, pred)
    found = []
    for i, (case, paths) in enumerate(cases.items()):
        progress(Step(f"case {case}", i / len(cases)))
        one, other = (_read(path, rules.labels) for path in paths)
        found += score_case(case, one, other, rules)
    return found


def score_case(case: str, truth: Labelmap, pred: Labelmap, rules: Rules) -> list[Score]:
    """Return a score per organ.

    Args:
        case: Name of the case.
        truth: Ground truth, canonical.
        pred: Prediction, canonical, on the same grid.
        rules: Which organs, and which of them count.

    Raises:
        InputError: The grids differ.
    """
    _check_same_grid(case, truth.grid, pred.grid)
    boxes = [boxes_of(one.array, MOST_VALUE) for one in (truth, pred)]
    return [
        _score(case, organ, (truth, pred), [box[organ.value - 1] for box in boxes], rules)
        for organ in rules.organs
    ]


def _score(
    case: str,
    organ: Organ,
    pair: tuple[Labelmap, Labelmap],
    boxes: list[_Slices | None],
    rules: Rules,
) -> Score:
    """Return the score of one organ; boxes are around the organ in truth and prediction."""
    grid = pair[0].grid
    truth_ml, pred_ml = (
        np.count_nonzero(one.array[box] == organ.value) * grid.voxel_ml if box else 0.0
        for one, box in zip(pair, boxes, strict=True)
    )
    scored = _scored(organ, *boxes)
    truth, pred = (one.array[scored] == organ.value for one in pair)
    distances = metrics.surface_distances(truth, pred, grid.spacing_mm)
    return Score(
        case,
        organ.key,
        dsc=metrics.dice(truth, pred),
        nsd=metrics.nsd(distances, organ.tolerance_mm),
        hd95_mm=metrics.hd95(distances),
        truth_ml=truth_ml,
        pred_ml=pred_ml,
        is_counted=rules.counts(truth_ml),
    )


def _scored(organ: Organ, truth: _Slices | None, pred: _Slices | None) -> _Slices:
    """Return the box in which an organ is scored: around both, for tubes the truth's slices only.

    FLARE's rule for aorta, vena cava and esophagus, as labels end where the annotator stopped.
    """
    known = [box for box in (truth, pred) if box]
    if not known:
        return slice(0), slice(0), slice(0)
    z, y, x = (
        slice(min(box[i].start for box in known), max(box[i].stop for box in known))
        for i in range(3)
    )
    return (truth[0] if truth and organ.is_tube else z), y, x


def _read(path: Path, labels: LabelSet) -> Labelmap:
    """Return the labelmap in a file, canonical."""
    labelmap = read_labelmap(path)
    found = np.flatnonzero(np.bincount(labelmap.array.reshape(-1), minlength=256))
    if unknown := [int(value) for value in found if value and value not in labels.by_value]:
        logger.warning(
            "%s has values that the label set lacks (%s): they are not scored",
            path.name,
            ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else ""),
        )
    turned = orient.to_canonical(Volume(labelmap.array, labelmap.grid))
    return Labelmap(np.ascontiguousarray(turned.array), turned.grid)


def _check_same_grid(case: str, truth: Grid, pred: Grid) -> None:
    """Check two canonical grids: they may lie apart by a tenth of a voxel, which is rounding."""
    cure = "give both on the grid of the CT, as flareseg segment writes it"
    if truth.shape != pred.shape:
        shapes = [" x ".join(map(str, reversed(grid.shape))) for grid in (pred, truth)]
        raise InputError(f"{case} has {shapes[0]} voxels, its truth {shapes[1]}: {cure}")
    if not pred.is_like(truth):
        raise InputError(
            f"{case} and its truth lie up to {pred.apart_mm(truth):.2f} mm apart "
            f"(origin, spacing or direction differ): {cure}"
        )


def _check_job(job: EvaluationJob) -> None:
    """Check before the work that what is asked for can be written."""
    if job.has_plots:
        preview.check_installed()
    for path in (job.folder and job.folder / tables.SUMMARY, job.csv):
        if path:
            check_place(path)


def _part(progress: Progress, i: int, parts: int) -> Progress:
    """Return the progress of one of several equal parts, up to 0.95."""
    return lambda step: progress(Step(step.name, 0.95 * (i + step.share) / parts))


def _write_plots(job: EvaluationJob, rules: Rules, scores: list[Score], folder: Path) -> None:
    """Write the box plots, and pictures of the worst cases with both outlines."""
    plots.write_boxes(scores, rules.labels, folder / "boxes.png")
    cases = case_files.matched(job.truth, job.pred)
    images = case_files.images(job.images or job.truth, is_truth=job.images is None)
    for rank, case in enumerate(worst_cases(scores, PICTURES), start=1):
        counted = [score for score in scores if score.case == case and score.is_counted]
        worst, mean = min(counted, key=lambda score: score.dsc), np.mean([s.dsc for s in counted])
        name = rules.name(worst.organ)
        title = f"{case}: mean DSC {mean:.3f}, {name} {worst.dsc:.3f} (dotted: truth)"
        truth, pred = (_read(one, rules.labels) for one in cases[case])
        path = folder / f"worst_{rank}_{case}.png"
        hu = _background(images.get(case_files.bare_name(case)), truth.grid)
        preview.write_preview(
            hu, pred, rules.organs, path, preview.Caption(title), preview.Over(truth)
        )


def _background(path: Path | None, grid: Grid) -> Volume:
    """Return the CT of a case, or plain gray if there is none."""
    if path is None:
        return Volume(np.broadcast_to(np.float32(0), grid.shape), grid)
    hu = orient.to_canonical(read_volume(path))
    _check_same_grid(path.name, grid, hu.grid)
    return hu
