"""Convolutions along z as torch has them fast, and right in bfloat16: on slices as rows."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from FlareSegLib.inference.student import FlatConv


def dilate_little(model: nn.Module) -> None:
    """Let a network convolve along z with dilations of slices, not of rows: the same numbers.

    A dilation of as many rows as a slice has is slow on a GPU, and on CPUs oneDNN's gradient of
    such weights in bfloat16 is no number.
    """
    for module in model.modules():
        if isinstance(module, FlatConv):
            module.forward = _convolved.__get__(module)  # type: ignore[method-assign]


def _convolved(self: FlatConv, flat: Tensor, rows: int) -> Tensor:
    if not self.z_dilation:
        hidden = functional.conv2d(flat, self.conv.weight, None, self.stride, 1)
        return self.norm(hidden)  # type: ignore[no-any-return]
    slices = flat.unflatten(2, (-1, rows)).flatten(3, 4)
    step = self.z_dilation
    hidden = functional.conv2d(slices, self.conv.weight, None, 1, (step, 0), (step, 1))
    return self.norm(hidden).unflatten(3, (rows, -1)).flatten(2, 3)  # type: ignore[no-any-return]
