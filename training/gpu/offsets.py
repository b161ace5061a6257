"""Offsets of the last layer at which organs have the volume of their labels on the training CTs.

`python -m training.gpu.offsets WEIGHTS.pt --packs PACK ... --labels LABELS --organs 1 2 --to OUT`

A network that knows its training CTs by heart is too sure of itself on others, so half of what is
found is taken (--share). It mends the mean of volumes, not the border.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from FlareSegLib.inference.student import Student
from training.gpu.learn import CLASSES
from training.gpu.pack import UNKNOWN
from training.gpu.store import GpuCase, load_cases
from training.gpu.teacher import HU_MEAN, HU_RANGE, HU_SD
from training.gpu.train import STUDENTS
from training.loop.checkpoint import save, weights
from training.machine.memory import keep_freed
from training.networks.slices import dilate_little

SLAB, MARGIN = 48, 16
"""Slices that are looked at at once, and those beside them that are not counted."""
SHARE, SURE = 0.35, 0.99
"""Share of the cells near organs that is kept; far from organs background is surer than that."""
SWEEPS, HALVINGS, REACH = 4, 14, 4.0
"""Of the search: over all classes, of the range of one, and how far it begins from 0."""
LEAST_CELLS = 60
"""Of an organ on a CT that counts."""
AIR = (HU_RANGE[0] - HU_MEAN) / HU_SD
"""The least HU, normalized."""


@torch.no_grad()
def cells(student: Student, case: GpuCase, levels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits (n, classes) of cells near organs, and shares of their labels (n, classes).

    Args:
        student: On the device of the case.
        case: HU as indices into levels, and labels; cells with unknown voxels are left out.
        levels: HU.
    """
    depth, rows, columns = (n // 2 * 2 for n in case.levels.shape)
    pad = (0, -columns % 16, 0, -rows % 16)
    for first in range(0, depth, SLAB):
        low, high = max(first - MARGIN, 0), min(first + SLAB + MARGIN, depth)
        hu = levels[case.levels[low:high].int()].clamp(*HU_RANGE)
        image = torch.nn.functional.pad((hu - HU_MEAN) / HU_SD, pad, value=AIR)
        said = student(image[None, None])[0, :, (first - low) // 2 :]
        last = min(first + SLAB, depth)
        said = said[:, : (last - first) // 2, : rows // 2, : columns // 2].float()
        labels = case.labels[first:last, :rows, :columns].long()
        yield _near(said, labels)


def _near(said: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    known = _of_cells((labels != UNKNOWN).float()[None])[0] == 1
    one_hot = torch.stack([(labels == value).float() for value in range(CLASSES)])
    shares = _of_cells(one_hot)
    background = said.softmax(0)[0]
    near = known & ((shares[0] < 1) | (background < SURE))
    near &= torch.rand(near.shape, device=near.device) < SHARE
    return said[:, near].T, shares[:, near].T


def _of_cells(volume: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool3d(volume, 2)


def fitted(logits: list[Tensor], labels: list[Tensor]) -> Tensor:
    """Return the offset of each class (background 0) at which its volume is that of its labels.

    The median over CTs of found to labelled volume is 1 for each class, all offsets taken together.

    Args:
        logits: Of each CT's cells, (n, classes).
        labels: Shares of their voxels, (n, classes).
    """
    offsets = torch.zeros(CLASSES)
    for _ in range(SWEEPS):
        for value in range(1, CLASSES):
            offsets[value] = _even(value, logits, labels, offsets)
    return offsets


def _even(value: int, logits: list[Tensor], labels: list[Tensor], offsets: Tensor) -> float:
    """Return the offset of a class that evens its volume while the others' stay; 0: on no CT."""
    gaps, wanted = [], []
    for said, shares in zip(logits, labels, strict=True):
        if (shares.argmax(1) == value).sum() >= LEAST_CELLS:
            others = said + offsets
            others[:, value] = -torch.inf
            gaps.append(others.amax(1) - said[:, value])
            wanted.append(shares[:, value].sum())
    if not gaps:
        return 0.0
    low, high = -REACH, REACH
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        ratios = [(gap < middle).sum() / one for gap, one in zip(gaps, wanted, strict=True)]
        is_small = torch.stack(ratios).quantile(0.5) < 1
        low, high = (middle, high) if is_small else (low, middle)
    return (low + high) / 2


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--student", choices=sorted(STUDENTS), default="deep")
    parser.add_argument("--packs", type=Path, nargs="+", required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--organs", type=int, nargs="+", required=True, help="that are moved")
    parser.add_argument("--share", type=float, default=0.5, help="of the offsets that is taken")
    parser.add_argument("--to", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    """Fit, print, and write the weights with the offsets."""
    given = options()
    keep_freed()
    torch.manual_seed(0)
    student, state = Student(STUDENTS[given.student][0]), weights(given.weights)
    student.load_state_dict(state)
    dilate_little(student.eval())
    cases, levels = load_cases(given.packs, given.labels, torch.device("cpu"))
    logits, labels = [], []
    for case in cases:
        said, shares = zip(*cells(student, case, levels), strict=True)
        logits.append(torch.cat(said))
        labels.append(torch.cat(shares))
        print(f"{case.name}: {len(logits[-1])} cells", flush=True)
    found = fitted(logits, labels)
    print("offsets", {value: round(float(found[value]), 2) for value in range(1, CLASSES)})
    for organ in given.organs:
        state["head.bias"][organ] += given.share * found[organ]
    save(given.to, state)


if __name__ == "__main__":
    main()
