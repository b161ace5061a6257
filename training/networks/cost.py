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
    return 2 * gmac(network, (1, 1, *shape))


def gmac(network: nn.Module, *shapes: tuple[int, ...]) -> float:
    """Return billions of multiply-adds of a network with inputs of these shapes."""
    hollow = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        hollow(*(torch.empty(*shape, device="meta") for shape in shapes))
    return float(counter.get_total_flops()) / 2e9
