"""Weights out of the files of a run: the mean of some of its means.

`python -m training.gpu.means RUN.pt [RUN_0.pt ...] --parts 2 3 --to weights.pt`
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.loop.checkpoint import save


def mean_of(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the plain mean of weights, in float32."""
    return {name: torch.stack([state[name].float() for state in states]).mean(dim=0)
            for name in states[0]}  # fmt: skip


def weights(files: Sequence[Path], parts: Sequence[int]) -> dict[str, Tensor]:
    """Return the mean of some parts of a run, as a student loads it.

    Args:
        files: Of one student: that with its state first, then those with more means, in order.
        parts: Which means, counted from 0; empty: the last weights alone.
    """
    states = [torch.load(path, map_location="cpu", weights_only=True) for path in files]
    last = states[0]["model"]
    means = [mean for state in states for mean in state.get("means", [])]
    chosen = mean_of([means[part] for part in parts]) if parts else {}
    return {name: chosen.get(name, value.float() if value.is_floating_point() else value)
            for name, value in last.items()}  # fmt: skip


def main() -> None:
    """Write the weights that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--parts", type=int, nargs="*", default=[])
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    save(given.to, weights(given.files, given.parts))


if __name__ == "__main__":
    main()
