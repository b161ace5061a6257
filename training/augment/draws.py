"""Random numbers from a generator, so that a seed gives the same patch again."""

from __future__ import annotations

import torch


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Return a random number in [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def normal(mean: float, sd: float, generator: torch.Generator) -> float:
    """Return a random number, normally distributed."""
    return mean + sd * float(torch.randn((), generator=generator))


def index(count: int, generator: torch.Generator) -> int:
    """Return a random whole number in [0, count)."""
    return int(torch.randint(count, (), generator=generator))


def chance(share: float, generator: torch.Generator) -> bool:
    """Return True in that share of calls."""
    return uniform(0, 1, generator) < share
