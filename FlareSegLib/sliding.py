"""The loop over windows: plan, network, stitch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from FlareSegLib import windows
from FlareSegLib.config import ModelConfig, RunOptions
from FlareSegLib.geometry import Box, Zyx
from FlareSegLib.network import Network
from FlareSegLib.stitch import BACKGROUND_LOGIT, Stitcher


@dataclass
class WindowCounts:
    """What became of the planned windows."""

    planned: int = 0
    run: int = 0
    skipped_air: int = 0
    """Hold no body."""
    skipped_centre: int = 0
    """Beside a centre window that saw no organ, or only a tube that does not go there."""
    is_fine: bool = False

    @property
    def done(self) -> int:
        """Windows that were run or skipped."""
        return self.run + self.skipped_air + self.skipped_centre


class Sliding:
    """One pass of a network over a normalized array."""

    def __init__(
        self, network: Network, config: ModelConfig, options: RunOptions, array: NDArray[np.float32]
    ) -> None:
        """Plan the windows over array (z, y, x), normalized."""
        self._network, self._config, self._options, self._array = network, config, options, array
        self.plan = windows.plan(_zyx(array.shape), config, options)
        self._flips = config.flips if options.speed == "accurate" else ()
        self.counts = WindowCounts(planned=self.plan.count, is_fine=self.plan.is_fine)

    def run(
        self, body: NDArray[np.bool_], on_window: Callable[[float], None]
    ) -> NDArray[np.float16]:
        """Return logits (z, y, x, classes) over the array, padded to multiples of logits_stride.

        Args:
            body: Coarse mask of the body over the same box as the array.
            on_window: Called after each window with the share that is done or skipped, in [0, 1].
        """
        joined = self._joined if self._config.is_flat else self._stitched
        z, y, x = (-(-n // self._config.logits_stride) for n in self._array.shape)
        return joined(body, on_window)[:z, :y, :x]

    def _joined(
        self, body: NDArray[np.bool_], on_window: Callable[[float], None]
    ) -> NDArray[np.float16]:
        """Return the logits of slabs, each up to the middle of what it shares with the next."""
        stride = self._config.logits_stride
        z, y, x = (n // stride for n in self.plan.shape)
        logits = np.zeros((z, y, x, len(self._config.labels) + 1), np.float16)
        logits[..., 0] = BACKGROUND_LOGIT
        for step, (first, last) in zip(self.plan.steps, self.plan.seams(stride), strict=True):
            top = step.centre.start[0] // stride
            if self._is_wanted(step.centre, body):
                found = self._predict(step.centre)[:, first - top : last - top]
                logits[first:last] = np.moveaxis(found, 0, -1)
            on_window(self.counts.done / self.counts.planned)
        return logits

    def _stitched(
        self, body: NDArray[np.bool_], on_window: Callable[[float], None]
    ) -> NDArray[np.float16]:
        """Return the weighted means of overlapping windows."""
        stride = self._config.logits_stride
        weights = windows.importance(_zyx([n // stride for n in self.plan.window]))
        stitcher = Stitcher(
            _zyx([n // stride for n in self.plan.shape]), len(self._config.labels) + 1, weights
        )
        for step in self.plan.steps:
            for box, logits in self._run_step(step, body):
                stitcher.add(_zyx([n // stride for n in box.start]), logits)
                on_window(self.counts.done / self.counts.planned)
        return stitcher.logits()

    def _run_step(
        self, step: windows.ZStep, body: NDArray[np.bool_]
    ) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        wanted = list(step.neighbours)
        if self._is_wanted(step.centre, body):
            logits = self._predict(step.centre)
            yield step.centre, logits
            wanted = self._after_centre(step, logits)
        for box in wanted:
            if self._is_wanted(box, body):
                yield box, self._predict(box)

    def _after_centre(self, step: windows.ZStep, logits: NDArray[np.float32]) -> list[Box]:
        if not self._options.centre_first or self._options.speed == "accurate":
            return list(step.neighbours)
        labels = logits.argmax(axis=0).astype(np.uint8)
        wanted = list(windows.wanted_neighbours(step, labels, self._config.logits_stride))
        self.counts.skipped_centre += len(step.neighbours) - len(wanted)
        return wanted

    def _is_wanted(self, box: Box, body: NDArray[np.bool_]) -> bool:
        wanted = not self._options.skip_air or windows.holds_body(
            box, body, _zyx(self._array.shape)
        )
        self.counts.skipped_air += not wanted
        return wanted

    def _predict(self, box: Box) -> NDArray[np.float32]:
        self.counts.run += 1
        inside = self._array[box.slices]
        missing = [(0, n - m) for n, m in zip(box.shape, inside.shape, strict=True)]
        window = np.pad(inside, missing, constant_values=self._config.pad_value)
        logits = self._network(window)
        for flip in self._flips:
            reversed_axes = tuple(axis + 1 for axis in flip)  # behind the classes
            seen = self._network(np.ascontiguousarray(np.flip(window, flip)))
            logits = logits + np.flip(seen, reversed_axes)
        return logits / np.float32(1 + len(self._flips)) if self._flips else logits


def _zyx(values: tuple[int, ...] | list[int]) -> Zyx:
    z, y, x = values
    return z, y, x
