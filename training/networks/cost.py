"""Parameters and GFLOP of a network, counted without computing anything."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(network: nn.Module) -> int:
    """Return the number of weights."""
    return sum(weight.numel() for weight in network.parameters())


def gflop(network: nn.Module, shape: tuple[int, int, int]) -> float:
    """Return billions of floating-point operations of one window (z, y, x).

    A multiplication and an addition count as two, so a figure in multiply-adds is half of it.
    Counted by torch on the meta device: convolutions and matrix products, nothing else.
    """
    hollow = copy.deepcopy(network).to("meta").eval()
    window = torch.empty(1, 1, *shape, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        hollow(window)
    return float(counter.get_total_flops()) / 1e9
