"""DSC of a network on whole cases, with the windows and the stitching of inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.evaluation.metrics import dice
from FlareSegLib.inference.sliding import Sliding
from training.augment.patch import Case
from training.cases.index import read_index
from training.config import Config
from training.loop.run import Run
from training.patches.data import load_case

BODY_HU = -500.0


class TorchWindows:
    """A torch network as inference sees one: a normalized window to logits."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network, self._device = network.eval(), device

    @torch.no_grad()
    def __call__(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (classes, z, y, x) of a normalized window (z, y, x)."""
        tensor = torch.from_numpy(np.ascontiguousarray(window))[None, None].to(self._device)
        logits: NDArray[np.float32] = self._network(tensor)[0].float().cpu().numpy()
        return logits


def predict(
    network: nn.Module, facts: ModelConfig, hu: NDArray[np.int16], device: torch.device
) -> NDArray[np.uint8]:
    """Return the labels (z, y, x) that a network gives a case on the student's grid."""
    low, high = facts.hu_range
    array = (hu.astype(np.float32).clip(low, high) - facts.hu_mean) / np.float32(facts.hu_sd)
    sliding = Sliding(
        TorchWindows(network, device),  # type: ignore[arg-type]
        facts,
        RunOptions(centre_first=False),
        array,
    )
    logits = torch.from_numpy(sliding.run(hu > BODY_HU, lambda _: None)).movedim(-1, 0)[None]
    if facts.logits_stride > 1:
        logits = functional.interpolate(
            logits.float(), scale_factor=facts.logits_stride, mode="trilinear"
        )
    z, y, x = hu.shape
    labels: NDArray[np.uint8] = logits[0, :, :z, :y, :x].argmax(dim=0).to(torch.uint8).numpy()
    return labels


def look(config: Config, facts: ModelConfig) -> Callable[[Run], float] | None:
    """Return what gives the DSC of a run's averaged network on the validation cases, if any.

    Args:
        config: Whose validation cases, with the labels that came with them.
        facts: What inference would be told of the network.
    """
    entries = read_index(config)
    val = [
        load_case(config.work, e.case, config.seed, e.known, with_soft=False, is_truth=True)
        for e in entries
        if e.split == "val" and any(e.known)
    ]

    def dsc(run: Run) -> float:
        return mean_dsc(run.average, facts, val, run.device)

    return dsc if val else None


def mean_dsc(
    network: nn.Module, facts: ModelConfig, cases: Sequence[Case], device: torch.device
) -> float:
    """Return the mean DSC over the classes that each case holds, then over the cases."""
    found = []
    for case in cases:
        labels, truth = predict(network, facts, case.hu.numpy(), device), case.labels.numpy()
        values = np.unique(truth[truth > 0])
        found.append(np.mean([dice(labels == v, truth == v) for v in values]))
    return float(np.mean(found))
