"""Several processes (torchrun) that train as one: same draws, same sums, same weights.

Each process takes its part of a batch. Sums of the loss that run over the batch (Dice), the
statistics of BatchNorm and the gradients are summed over the processes, so that the loss curve is
that of one process with the whole batch.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce


def begin(device: torch.device) -> None:
    """Join the other processes, if torchrun started several."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")


def end() -> None:
    """Leave the group."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """Return the number of this process; 0 writes files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_main() -> bool:
    """Return whether this process writes files."""
    return rank() == 0


def barrier() -> None:
    """Wait for the other processes."""
    if distributed.is_initialized():
        distributed.barrier()


def device_of(wanted: str) -> torch.device:
    """Return the device that a config asks for: "auto" is this process's GPU if there is one."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device(wanted)


def total(value: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, with gradient."""
    if world() == 1:
        return value
    summed: Tensor = all_reduce(value)
    return summed


def mean(value: float) -> float:
    """Return the mean of a number over all processes."""
    if world() == 1:
        return value
    tensor = torch.tensor([value], dtype=torch.float64)
    if torch.cuda.is_available() and distributed.get_backend() == "nccl":
        tensor = tensor.cuda()
    distributed.all_reduce(tensor)
    return float(tensor) / world()


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes."""
    if world() == 1:
        return
    for weight in parameters:
        if weight.grad is not None:
            distributed.all_reduce(weight.grad)
            weight.grad /= world()


class SharedBatchNorm(nn.BatchNorm2d):
    """BatchNorm with the statistics of the batches of all processes; weights as BatchNorm2d."""

    def forward(self, flat: Tensor) -> Tensor:
        """Return the normalized (n, c, y, x)."""
        if not self.training or world() == 1:
            return super().forward(flat)
        values = flat.float()
        axes = (0, 2, 3)
        count = values.numel() / values.shape[1] * world()
        sums = total(torch.stack([values.sum(axes), values.square().sum(axes)])) / count
        centre, spread = sums[0], sums[1] - sums[0].square()
        with torch.no_grad():
            share = self.momentum or 0.1
            self.running_mean.lerp_(centre, share)  # type: ignore[union-attr]
            self.running_var.lerp_(spread * count / (count - 1), share)  # type: ignore[union-attr]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        scale = self.weight * (spread + self.eps).rsqrt()
        shift = self.bias - centre * scale
        return (values * scale[:, None, None] + shift[:, None, None]).to(flat.dtype)


def share_statistics(model: nn.Module) -> None:
    """Let every BatchNorm2d of a model share its statistics between the processes."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d and world() > 1:
            module.__class__ = SharedBatchNorm
