"""One thing after another in one CT: prompts in, its mask out. The order of the steps of a prompt.

session = Session(volume, load_prompt_network())
found = session.box((12, -40, -110), (58, 8, -62))      # two corners (R, A, S), mm
found = session.click((30, -20, -90), inside=True)
found = session.undo()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Volume
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting import rules
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.one_slice import (
    LEAST_MM,
    THIN,
    Slice,
    in_slices,
    is_in_slice,
    slice_of,
)
from FlareSegLib.prompting.prompt_network import PromptNetwork
from FlareSegLib.prompting.prompts import (
    BoxPrompt,
    ClickPrompt,
    Extent,
    LinePrompt,
    Point,
    Prompt,
    box_extent,
    check_point,
    on_grid,
    outside,
)
from FlareSegLib.prompting.seen import Seen, clicks_of

FIRST_MM = 20.0
"""Side of the cube about a click, where nothing else is known."""
LINE_BOX = 0.85
"""Side of the box about a line along the other axes, in lengths of the line."""
ALL = (True, True, True)
"""Axes along which a box is free."""


class Session:
    """Segments one thing after another; keeps the CT, and every state for undo and redo."""

    def __init__(self, volume: Volume, network: PromptNetwork, *, grow: bool = True) -> None:
        """Keep the CT; nothing is computed yet.

        Args:
            volume: HU, any orientation and spacing.
            network: See load_prompt_network().
            grow: Let a box follow what is found where the prompt does not give its extent.
        """
        self._grows = grow
        self._volume = to_canonical(volume)
        self._network = network
        self._states: list[Seen] = []
        self._undone: list[Seen] = []

    @property
    def found(self) -> Found | None:
        """The thing as it stands; None before the first prompt."""
        return self._states[-1].found if self._states else None

    @property
    def volume(self) -> Volume:
        """The CT, canonical."""
        return self._volume

    @property
    def grid(self) -> Grid:
        """The canonical grid of the CT."""
        return self._volume.grid

    def box(self, low: Sequence[float], high: Sequence[float]) -> Found:
        """Return what is in a box between two corners (R, A, S), mm.

        A box of one slice has its depth found. Starts the thing anew.

        Raises:
            InputError: It cannot be: says what is wrong with it.
        """
        return self.prompt(BoxPrompt.between(low, high))

    def line(self, start: Sequence[float], end: Sequence[float]) -> Found:
        """Return the thing with a longest diameter from start to end (R, A, S), mm.

        Raises:
            InputError: It has no length, or lies outside of the CT.
        """
        return self.prompt(LinePrompt(tuple(start), tuple(end)))  # type: ignore[arg-type]

    def click(self, at: Sequence[float], *, inside: bool = True) -> Found:
        """Return the thing after a click (R, A, S) that is inside of it, or outside.

        Raises:
            InputError: It lies outside of the CT, or the first click is one outside of the thing.
        """
        return self.prompt(ClickPrompt(tuple(at), inside))  # type: ignore[arg-type]

    def prompt(self, prompt: Prompt) -> Found:
        """Return the thing after a prompt; a box or a line starts it anew.

        Raises:
            InputError: The prompt cannot be.
        """
        if isinstance(prompt, ClickPrompt):  # noqa: SIM108  mypy tells the two apart so
            state = self._clicked(prompt)
        else:
            state = self._begun(prompt)
        state = self._with_slice(state)
        self._states.append(state)
        self._undone.clear()
        return state.found

    def undo(self) -> Found | None:
        """Take the last prompt back; return what was found before it, None if it was the first."""
        if self._states:
            self._undone.append(self._states.pop())
        return self.found

    def redo(self) -> Found | None:
        """Put a prompt that was taken back in its place again."""
        if self._undone:
            self._states.append(self._undone.pop())
        return self.found

    def new(self) -> None:
        """Begin with another thing; forgets what could be undone."""
        self._states.clear()
        self._undone.clear()

    @cached_property
    def _body(self) -> Extent | None:
        return rules.body_of(self._volume)

    def _begun(self, prompt: BoxPrompt | LinePrompt) -> Seen:
        if isinstance(prompt, LinePrompt):
            return self._fitted(self._line_extent(prompt), ALL, (prompt,), self._network)
        extent = box_extent(prompt, self.grid)
        rules.check_smaller(extent, self._body)
        thin = extent.size <= THIN * np.array(self.grid.spacing_mm)
        if not thin.any():
            return self._helped(self._closer(self._first_seen(extent, prompt)))
        size = np.where(thin, float(extent.size[~thin].mean()), extent.size)
        free = tuple(bool(axis) for axis in thin)
        return self._deep(Extent.about(extent.centre, size), free, prompt)

    def _deep(self, extent: Extent, free: tuple[bool, ...], prompt: Prompt) -> Seen:
        """Find the depth with the network that finds things of more kinds, and look with the other.

        Its look counts unless it has lost sight of the thing.
        """
        first = self._network.first_look
        state = self._fitted(extent, free, (prompt,), first or self._network)
        if first is None:
            return state
        second = self._seen(_at_least(state.found.extent), (prompt,))
        return second if second.found.ml >= rules.LEAST_KEPT * state.found.ml else state

    def _closer(self, state: Seen) -> Seen:
        """Look again at a box halfway to that of the mask: boxes that people draw are loose.

        The second look counts unless what it finds fills the box less.
        """
        found = state.found
        if found.is_empty:
            return state
        tight = rules.extent_of(found.mask, found.box.start, self.grid)
        low = (np.array(tight.low) + np.array(found.extent.low)) / 2
        high = (np.array(tight.high) + np.array(found.extent.high)) / 2
        halfway = _at_least(Extent.about((low + high) / 2, high - low))
        second = self._seen(halfway, found.prompts)
        closer = replace(second, found=replace(second.found, extent=found.extent))
        is_worse = closer.found.fills < found.fills - rules.WORSE
        return state if is_worse else closer

    def _helped(self, state: Seen) -> Seen:
        """Where what was found hardly fills the box: take what fills it, look at each slice too."""
        found = state.found
        if found.is_empty or found.fills > rules.DOUBTFUL:
            return state
        state = state.filling()
        found, network = state.found, self._network.one_slice
        if network is None or found.fills > rules.DOUBTFUL:
            return state
        mask = in_slices(self._volume, network, found.mask, found.box)
        found = replace(found, mask=rules.tidy(mask, found.box.start, (), self.grid))
        return replace(state, found=found, former=found.shown(state.frame))

    def _line_extent(self, line: LinePrompt) -> Extent:
        ends = []
        for name, point in (("start", line.start), ("end", line.end)):
            ends.append(self._inside(point, f"the {name} of the line"))
        length = float(np.linalg.norm(ends[1] - ends[0]))
        if length < max(1.0, min(self.grid.spacing_mm)):
            raise InputError(f"the line is {length:.1f} mm long: draw it across the thing")
        size = np.maximum(np.abs(ends[1] - ends[0]), LINE_BOX * length)
        return Extent.about((ends[0] + ends[1]) / 2, size)

    def _inside(self, point: Point, what: str) -> NDArray[np.float64]:
        """Return a point in grid mm, checked to lie in the CT."""
        check_point(point, what)
        at = on_grid(point, self.grid)
        index = np.rint(at / np.array(self.grid.spacing_mm))
        if np.any(index < 0) or np.any(index >= np.array(self.grid.shape)):
            raise outside(what, point, self.grid)
        return at

    def _clicked(self, click: ClickPrompt) -> Seen:
        at = self._inside(click.at, "the click")
        if not self._states:
            if not click.inside:
                raise InputError(
                    "the first click says what is outside: draw a box or a line, or click inside"
                )
            cube = Extent.about(at, np.full(3, FIRST_MM))
            return self._fitted(cube, ALL, (click,), self._network)
        last = self._states[-1]
        extent, frame = last.extent, last.frame
        index = frame.index(at)
        if np.any(index < 1) or np.any(index > np.array(frame.shape) - 2):
            extent = extent.holding(at, LEAST_MM)
        state = self._seen(extent, (*last.found.prompts, click), last)
        asked = last.found.extent if extent == last.extent else extent
        return replace(state, found=replace(state.found, extent=asked))

    def _fitted(
        self,
        extent: Extent,
        free: tuple[bool, ...],
        prompts: tuple[Prompt, ...],
        network: PromptNetwork,
    ) -> Seen:
        """Look, and look again while the mask reaches the faces of the box along free axes."""
        state = Seen.by(network, self._volume, _at_least(extent), prompts)
        for _ in range(rules.MOST_GROWTHS if self._grows else 0):
            found = state.found
            larger = rules.grown(found.extent, found.mask, found.box.start, self.grid, free)
            if larger == found.extent:
                break
            further = Seen.by(network, self._volume, larger, prompts)
            if further.found.ml < rules.LEAST_KEPT * found.ml:  # it has lost sight of the thing
                break
            state = further
        return state

    def _seen(self, extent: Extent, prompts: tuple[Prompt, ...], last: Seen | None = None) -> Seen:
        """Look at a box once."""
        return Seen.by(self._network, self._volume, extent, prompts, last)

    def _first_seen(self, extent: Extent, prompt: Prompt) -> Seen:
        """Look at a box in space, with the network that finds things of more kinds if it can."""
        network, extent = self._network.first_look, _at_least(extent)
        if network:
            state = Seen.by(network, self._volume, extent, (prompt,))
            if not state.found.is_empty:
                return state
        return self._seen(extent, (prompt,))

    def _with_slice(self, state: Seen) -> Seen:
        """Return a state whose mask is, in the slice of a box in one slice, that of this slice."""
        prompts = state.found.prompts
        extent = slice_of(prompts[0], self.grid)
        network = self._network.one_slice if extent else None
        if extent is None or network is None:
            return state
        clicks = clicks_of(prompts)
        found = self._states[-1].slice if clicks else None
        if found is None or is_in_slice(clicks[-1], extent, self.grid):
            found = Slice.seen(self._volume, network, extent, clicks, found)
        mask, box = found.put_into(state.found.mask, state.found.box)
        rules.obey(mask, box.start, clicks, self.grid)
        return replace(state, found=replace(state.found, mask=mask, box=box), slice=found)


def _at_least(extent: Extent) -> Extent:
    """Return a box that is not too small to be looked at."""
    return Extent.about(extent.centre, np.maximum(extent.size, LEAST_MM))
