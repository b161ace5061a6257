"""How training is made cheap (paper 5): mixed precision, memory layout, a batch that fits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from FlareSegLib.base.resources import free_mib
from training.sections import Train

RESERVE = 0.2
"""Share of the memory that is left free."""


def autocast(train: Train, device: torch.device) -> AbstractContextManager[None]:
    """Return the context of mixed precision: bfloat16 where it is safe; weights are float32."""
    if not train.half_precision:
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes in bfloat16: on a CPU without, it only costs."""
    if device.type != "cpu":
        return True
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def placed(network: nn.Module, device: torch.device) -> nn.Module:
    """Return a network on a device, in the layout that its convolutions are fastest in.

    The flat student lays its volumes out as images; the others convolve volumes.
    """
    is_flat = any(isinstance(module, nn.Conv2d) for module in network.modules())
    layout = torch.channels_last if is_flat else torch.channels_last_3d
    return network.to(device, memory_format=layout)


def saved_bytes(forward: Callable[[], Tensor]) -> int:
    """Return the bytes that a forward pass keeps for its backward pass.

    What a batch costs in memory, beside weights and optimizer; counted, so the same on any device.

    Args:
        forward: Runs the pass and returns the loss.
    """
    seen: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        kept = forward()
    del kept
    return sum(seen.values())


def fitting_batch(free_bytes: float, patch_bytes: float, most: int = 64) -> int:
    """Return how many patches fill the free memory but for RESERVE; at least 1, at most `most`."""
    return int(max(1, min(most, free_bytes * (1 - RESERVE) / max(1.0, patch_bytes))))


def free_bytes(device: torch.device) -> float:
    """Return the memory that a batch may take."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return free_mib() * 2**20
