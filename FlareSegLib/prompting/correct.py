"""An organ, or anything that was found before, corrected by clicks.

A click changes one connected piece about itself, and only adds to the organ or only removes from
it: what was right elsewhere stays. A network of its own looks at a cube about the click, with the
organ in view; what it is not sure of stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Box, Grid, Labelmap, Volume
from FlareSegLib.base.runs import FACES, boxes_of, pieces_of, runs_of
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting import rules
from FlareSegLib.prompting.crop import Frame, back, zyx
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.look import look
from FlareSegLib.prompting.one_slice import within
from FlareSegLib.prompting.prompt_network import PromptNetwork
from FlareSegLib.prompting.prompts import ClickPrompt, Extent, on_grid
from FlareSegLib.prompting.seen import clicks_of

SIDE_MM = 40.0
"""Side of the cube about a click; the network sees half as much again."""
REACH_MM = 18.0
"""No voxel is changed further from the click."""
SURE = 3.0
"""Of logits: less is not changed."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Corrected:
    """The organ as it stands; a state of a session, as Seen is."""

    found: Found
    labels: NDArray[np.uint8]
    """Canonical, all of the CT: as it was found."""
    value: int
    """Of the organ among them."""
    keeps_others: bool = True
    """Voxels of other values are never added to it."""

    def taken(self, box: Box) -> Mask:
        """Return what belongs to other organs in a box."""
        part = self.labels[box.slices]
        taken: Mask = (part != 0) & (part != self.value) & self.keeps_others
        return taken


def started(
    labelmap: Labelmap, value: int, volume: Volume, network: PromptNetwork, *, keep_others: bool
) -> Corrected:
    """Return an organ as it is in a labelmap.

    Args:
        labelmap: On the grid of the CT as it was read, whatever its orientation; kept.
        value: Of the organ.
        volume: The CT, canonical.
        network: Of prompts.
        keep_others: See Corrected.

    Raises:
        InputError: It cannot be: says what is wrong.
    """
    if network.correction is None:
        raise InputError(
            f"model {network.config.name} {network.config.version} corrects nothing that was there "
            "before: take the one that ships"
        )
    turned = to_canonical(labelmap)
    if not turned.grid.is_like(volume.grid):
        raise InputError(
            "the labelmap lies on another grid than the CT: give it on that of the CT, as flareseg "
            "segment writes it"
        )
    place = boxes_of(turned.array)[value - 1]
    if place is None:
        raise InputError(f"value {value} is not in the labelmap: segment the thing by a box")
    box = Box.of(place)
    mask = turned.array[place] == value
    extent = rules.extent_of(mask, box.start, volume.grid)
    return Corrected(Found(mask, box, volume.grid, extent), turned.array, value, keep_others)


def by_click(
    volume: Volume,
    network: PromptNetwork,
    at: NDArray[np.float64],
    click: ClickPrompt,
    last: Corrected,
) -> Corrected:
    """Return the organ after a click.

    Args:
        volume: The CT, canonical, HU.
        network: That corrects.
        at: The click, grid mm (z, y, x).
        click: It.
        last: The organ before.

    Raises:
        InputError: It says that voxels of another organ, which keeps them, belong to this one.
    """
    grid = volume.grid
    own = np.rint(at / np.array(grid.spacing_mm)).astype(int)
    _check_free(own, click, last)
    wanted, box = _wanted(volume, network, at, click, last.found)
    found = _reaching(last.found, box)
    part, place = found.mask[within(box, found.box.start)], own - box.start
    apart = _apart(at, box, grid)
    wanted = wanted & (apart <= REACH_MM) | (apart <= rules.OBEYED_MM)
    free = _free(part, click, last, box, grid)
    wanted[tuple(place)], free[tuple(place)] = True, part[tuple(place)] != click.inside
    change = _piece(wanted & free, place)
    part[change] = click.inside
    flags = () if np.any(change & (apart > rules.OBEYED_MM)) else ("little_changed",)
    return replace(last, found=replace(found, prompts=(*found.prompts, click), flags=flags))


def _check_free(own: NDArray[np.int_], click: ClickPrompt, last: Corrected) -> None:
    if click.inside and last.taken(Box(zyx(own), zyx(own + 1))).any():
        raise InputError(
            "the click lies in another organ, which keeps its voxels: remove them there first"
        )


def _wanted(
    volume: Volume,
    network: PromptNetwork,
    at: NDArray[np.float64],
    click: ClickPrompt,
    found: Found,
) -> tuple[Mask, Box]:
    """Return what the network would have as the click has its voxel, and the box that it saw."""
    extent = Extent.about(at, np.full(3, SIDE_MM))
    frame = Frame.about(extent, network.config.ratio, network.config.grid)
    logits = look(volume, network, extent, frame, found.shown(frame), (click,))
    box = frame.voxels(volume.grid)
    sign = 1 if click.inside else -1
    wanted: Mask = back(logits, frame, volume.grid, box) * sign > SURE
    return wanted, box


def _free(part: Mask, click: ClickPrompt, last: Corrected, box: Box, grid: Grid) -> Mask:
    """Return what a click may change in a box: no other organ, nothing that a click has said."""
    free: Mask = (part != click.inside) & ~(last.taken(box) & click.inside)
    for other in clicks_of(last.found.prompts):
        if other.inside != click.inside:
            free &= _apart(on_grid(other.at, grid), box, grid) > rules.OBEYED_MM
    return free


def _reaching(found: Found, box: Box) -> Found:
    """Return a copy of what was found whose box reaches over another."""
    low = np.minimum(found.box.start, box.start)
    high = np.maximum(found.box.stop, box.stop)
    mask = np.zeros(high - low, np.bool_)
    mask[within(found.box, low)] = found.mask
    return replace(found, mask=mask, box=Box(zyx(low), zyx(high)))


def _apart(at: NDArray[np.float64], box: Box, grid: Grid) -> NDArray[np.float64]:
    """Return how far from a point the voxels of a box are, mm."""
    z, y, x = (
        (np.arange(start, stop) * step - middle) ** 2
        for start, stop, step, middle in zip(box.start, box.stop, grid.spacing_mm, at, strict=True)
    )
    apart: NDArray[np.float64] = np.sqrt(z[:, None, None] + y[:, None] + x)
    return apart


def _piece(mask: Mask, own: NDArray[np.int_]) -> Mask:
    """Return the piece of a mask that holds a voxel; nothing where it holds none."""
    kept = np.zeros(mask.shape, np.bool_)
    if mask[tuple(own)]:
        runs = runs_of(mask.view(np.uint8))
        piece = pieces_of(runs, FACES)
        kept[runs.part(piece == piece[runs.holding(own)][0]).voxels()] = True
    return kept
