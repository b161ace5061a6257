"""Optimizers: Muon (K. Jordan et al., 2024) with AdamW beside it, AdamW, SGD."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from training.sections import Train

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton-Schulz iteration that drives singular values toward 1 (Jordan, 2024)."""


def orthogonalized(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return a matrix with the singular vectors of `matrix` and singular values near 1."""
    a, b, c = COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if is_tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, on weights flattened to (out, in * kernel)."""

    def __init__(
        self, params: list[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter once (Nesterov momentum)."""
        for group in self.param_groups:
            for weight in group["params"]:
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(momentum, group["momentum"])
                flat = orthogonalized(update.reshape(len(update), -1))
                scale = max(1.0, flat.shape[0] / flat.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["decay"])
                weight.add_(flat.reshape(weight.shape), alpha=-group["lr"] * scale)


def optimizers(
    parameters: Iterable[tuple[str, nn.Parameter]], train: Train
) -> list[torch.optim.Optimizer]:
    """Return the optimizers of named parameters.

    Muon takes the convolutions inside the network, AdamW head, biases and norms beside it.
    """
    named, rate = list(parameters), train.learning_rate
    everything = [weight for _, weight in named]
    if train.optimizer == "sgd":
        decay = train.weight_decay
        return [torch.optim.SGD(everything, rate, 0.99, weight_decay=decay, nesterov=True)]
    if train.optimizer == "adamw":
        return [torch.optim.AdamW(everything, rate, weight_decay=train.weight_decay)]
    inner = [p for name, p in named if p.ndim >= 4 and "head" not in name and not is_depthwise(p)]
    chosen = {id(p) for p in inner}
    rest = [p for p in everything if id(p) not in chosen]
    return [
        Muon(inner, lr=rate, decay=train.weight_decay),
        torch.optim.AdamW(rest, lr=rate * 0.2, weight_decay=0.0),
    ]


def is_depthwise(weight: nn.Parameter) -> bool:
    """Return whether a kernel sees one channel: its rows share no input to be orthogonal in."""
    return weight.shape[1] == 1
