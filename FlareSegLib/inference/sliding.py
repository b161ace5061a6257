"""The loop over windows: plan, network, stitch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Box, Zyx
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.inference import scout, windows
from FlareSegLib.inference.looks import Looks
from FlareSegLib.inference.network import Network, give_back
from FlareSegLib.inference.stitch import BACKGROUND_LOGIT, Stitcher, nothing_seen


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
    looked_at: float = 1.0
    """Share of the volume that was looked at closely, after a first look: see scout.py."""

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
        self._network, self._config, self._options = network, config, options
        self._shape = _zyx(array.shape)
        pads = windows.padding(self._shape, config)
        self._before = _zyx([before for before, _ in pads])
        self._array = np.pad(array, pads) if any(map(any, pads)) else array
        self.plan = windows.plan(_zyx(self._array.shape), config, options)
        self._flips = config.flips if options.speed == "accurate" else ()
        self.counts = WindowCounts(planned=self.plan.count, is_fine=self.plan.is_fine)
        self.looks = Looks(config.channels)

    def run(
        self, body: NDArray[np.bool_], on_window: Callable[[float], None]
    ) -> NDArray[np.float16]:
        """Return logits (z, y, x, classes) over the array, padded to multiples of logits_stride.

        Args:
            body: Coarse mask of the body over the same box as the array.
            on_window: Called after each window with the share that is done or skipped, in [0, 1].
        """
        looked = self._looked if self._config.is_flat else self._stitched
        stride = self._config.logits_stride
        where = tuple(
            slice(a // stride, a // stride - (-n // stride))
            for a, n in zip(self._before, self._shape, strict=True)
        )
        logits = looked(body, on_window)[where]
        if self._config.recipe:
            give_back(self._network)  # what follows needs memory of its own
        return logits

    def _looked(
        self, body: NDArray[np.bool_], on_window: Callable[[float], None]
    ) -> NDArray[np.float16]:
        """Return the logits of a flat network, over the area that holds the organs."""
        shape, stride = _zyx(self._array.shape), self._config.logits_stride
        logits = _nothing(shape, stride, len(self._config.labels) + 1)
        area = piece = self._area()
        top = shape[0]
        while True:
            self._look_at(piece, top, logits, body, on_window)
            if (more := scout.grown(area, logits, stride, shape, self._config.spacing_mm)) == area:
                break
            piece, top = scout.unseen(more, area)
            area = more
        self.counts.planned = self.counts.done
        self.counts.looked_at = math.prod(area.shape) / math.prod(shape)
        return logits

    def _area(self) -> Box:
        """Return where organs can be: all of the volume, unless a first look tells."""
        shape = _zyx(self._array.shape)
        if not self._options.centre_first or self._options.speed == "accurate":
            return Box((0, 0, 0), shape)
        options = replace(self._options, centre_first=False, skip_air=False)
        first = Sliding(self._network, self._config, options, scout.halved(self._array))
        seen = first.run(np.ones((1, 1, 1), bool), lambda _: None).argmax(axis=-1)
        self.looks.first = seen.astype(np.uint8)
        return scout.area_of(self.looks.first, shape, self._config.spacing_mm)

    def _look_at(
        self,
        piece: Box,
        top: int,
        logits: NDArray[np.float16],
        body: NDArray[np.bool_],
        on_window: Callable[[float], None],
    ) -> None:
        """Write the logits of slabs, each up to the middle of what it shares with the next.

        Args:
            piece: What is looked at.
            top: Slices from here on keep what they have.
            logits: Of all of the volume (z, y, x, classes).
            body: As in run().
            on_window: As in run().
        """
        stride = self._config.logits_stride
        self.plan = windows.plan(_zyx(self._array.shape), self._config, self._options, piece)
        if not self.counts.done:
            self.counts.planned = self.plan.count
        for step, (first, last) in zip(self.plan.steps, self.plan.seams(stride), strict=True):
            z, y, x = (n // stride for n in step.centre.start)
            if self._is_wanted(step.centre, body):
                said = self._predict(step.centre)
                self.looks.see(z, said, windows.slab_overlap(self._options) // stride)
                found = np.moveaxis(said, 0, -1)[first - z :]
                place = logits[first : min(last, -(-top // stride)), y:, x:]
                place = place[:, : found.shape[1], : found.shape[2]]
                place[...] = found[tuple(slice(n) for n in place.shape[:3])]
            on_window(min(1.0, self.counts.done / self.counts.planned))

    def _stitched(
        self, body: NDArray[np.bool_], on_window: Callable[[float], None]
    ) -> NDArray[np.float16]:
        """Return the weighted means of overlapping windows."""
        stride = self._config.logits_stride
        shape = _zyx([n // stride for n in self.plan.shape])
        weights, nothing = windows.importance_for(self._config), nothing_seen(self._config)
        stitcher = Stitcher(shape, self._config.channels, weights, nothing)
        for step in self.plan.steps:
            for box, logits in self._run_step(step, body):
                stitcher.add(_zyx([n // stride for n in box.start]), logits)
                del logits  # before the network makes the next ones
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
            del logits
        for box in wanted:
            if self._is_wanted(box, body):
                yield box, self._predict(box)

    def _after_centre(self, step: windows.ZStep, logits: NDArray[np.float32]) -> list[Box]:
        is_plain = not self._options.centre_first or self._options.speed == "accurate"
        if is_plain or self._config.recipe:  # a tumour may lie far from any organ
            return list(step.neighbours)
        labels = logits.argmax(axis=0).astype(np.uint8)
        config = self._config
        tubes = config.tube_classes
        wanted = list(windows.wanted_neighbours(step, labels, tubes, config.logits_stride))
        self.counts.skipped_centre += len(step.neighbours) - len(wanted)
        return wanted

    def _is_wanted(self, box: Box, body: NDArray[np.bool_]) -> bool:
        box = windows.moved_into(box, self._before, self._shape)
        wanted = not self._options.skip_air or windows.holds_body(box, body, self._shape)
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


def _nothing(shape: Zyx, stride: int, classes: int) -> NDArray[np.float16]:
    """Return the logits (z, y, x, classes) of a volume in which no window ran."""
    z, y, x = (-(-n // stride) for n in shape)
    logits = np.zeros((z, y, x, classes), np.float16)
    logits[..., 0] = BACKGROUND_LOGIT
    return logits
