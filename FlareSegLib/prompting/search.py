"""How a thing is looked for: in a box, through a slice, along a line, about a point, by clicks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Grid, Volume
from FlareSegLib.prompting import anchor, longest, rules
from FlareSegLib.prompting.one_slice import (
    LEAST_MM,
    THIN,
    Slice,
    is_in_slice,
    middle_of,
    slice_of,
)
from FlareSegLib.prompting.prompt_network import PromptNetwork
from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt, Extent, LinePrompt, Prompt
from FlareSegLib.prompting.seen import Seen, clicks_of

FIRST_MM = 20.0
"""Side of the cube about a click, where nothing else is known."""
ALL = (True, True, True)
"""Axes along which a box is free."""
GridMm = NDArray[np.float64]
"""A point (z, y, x)."""


class Search:
    """Looks at a CT with the networks of a model; remembers nothing."""

    def __init__(self, volume: Volume, network: PromptNetwork, *, grow: bool = True) -> None:
        """Keep a canonical CT, the network of boxes, and whether boxes may follow what is found."""
        self._volume, self._network, self._grows = volume, network, grow

    @property
    def _grid(self) -> Grid:
        return self._volume.grid

    def by_box(self, extent: Extent, prompt: BoxPrompt) -> Seen:
        """Look at a box, and twice closer; help where what is found hardly fills it."""
        thin = extent.size <= THIN * np.array(self._grid.spacing_mm)
        if thin.any():
            return self._by_flat_box(extent, thin, prompt)
        return self._helped(self._closer(self._closer(self._seen(extent, (prompt,)))))

    def by_line(self, start: GridMm, end: GridMm, line: LinePrompt) -> Seen:
        """Look for what is as long as a line: at larger boxes, closer, with other thresholds."""
        length = float(np.linalg.norm(end - start))

        def misfit(state: Seen) -> float:
            return longest.misfit(state.found, length)

        first, most = longest.extents(start, end)
        best = min(self._grown(self._seen(first, (line,)), ALL, most), key=misfit)
        best = self._closer(best)
        return min((best, *best.others()), key=misfit)

    def by_point(self, at: GridMm, click: ClickPrompt) -> Seen:
        """Look about a point."""
        *_, last = self._grown(self._seen(Extent.about(at, np.full(3, FIRST_MM)), (click,)), ALL)
        return last

    def by_click(self, at: GridMm, click: ClickPrompt, last: Seen) -> Seen:
        """Look again after a click at a point."""
        extent, frame = last.extent, last.frame
        index = frame.index(at)
        if np.any(index < 1) or np.any(index > np.array(frame.shape) - 2):
            extent = extent.holding(at, LEAST_MM)
        state = self._seen(extent, (*last.found.prompts, click), last)
        asked = last.found.extent if extent == last.extent else extent
        state = replace(state, found=replace(state.found, extent=asked))
        state = self._closer(state)
        return self._with_slice(state, self._slice(state, last.slice))

    def _by_flat_box(self, extent: Extent, thin: NDArray[np.bool_], prompt: BoxPrompt) -> Seen:
        """Find how deep a thing is, from a box along thin axes; the slice of the box may help."""
        size = np.where(thin, float(extent.size[~thin].mean()), extent.size)
        free = tuple(bool(axis) for axis in thin)
        state = self._seen(Extent.about(extent.centre, size), (prompt,))
        known = self._slice(state, None)
        if known:
            state = self._anchored(state, known, anchor.BEFORE)
        *_, state = self._grown(state, free)
        if known:
            state = self._anchored(state, known, anchor.AFTER)
        state = self._closer(state)
        state = replace(state, found=replace(state.found, prompts=(prompt,)))
        return self._with_slice(state, known)

    def _anchored(self, state: Seen, known: Slice, wanted: anchor.Wanted) -> Seen:
        """Click until a mask is, in a slice, what it is known to be there."""
        for _ in range(wanted.clicks):
            if anchor.agreement(state.found, known) >= wanted.agreement:
                break
            click = anchor.click(state.found, known)
            state = self._seen(state.extent, (*state.found.prompts, click), state)
        return state

    def _closer(self, state: Seen) -> Seen:
        """Look again at a box halfway to that of the mask, which is shown: people draw loosely.

        The second look counts unless what it finds fills the box less.
        """
        found = state.found
        if found.is_empty:
            return state
        second = self._seen(found.extent.halfway(found.tight), found.prompts, state)
        closer = replace(second, found=replace(second.found, extent=found.extent))
        is_worse = closer.found.fills < found.fills - rules.WORSE
        return state if is_worse else closer

    def _helped(self, state: Seen) -> Seen:
        """Where what was found hardly fills the box: let its middle slice click, fill it better."""
        found = state.found
        if found.is_empty or found.fills > rules.LOOSE:
            return state
        if network := self._network.one_slice:
            known = Slice.looked_at(self._volume, network, middle_of(found.extent, self._grid))
            other = self._anchored(state, known, anchor.BOX)
            other = replace(other, found=replace(found, mask=other.found.mask, box=other.found.box))
            if other.found.fills > found.fills + rules.FULLER:
                state = other
        return state.filling() if state.found.fills <= rules.DOUBTFUL else state

    def _grown(
        self, state: Seen, free: Sequence[bool], most: Extent | None = None
    ) -> Iterator[Seen]:
        """Yield it, and looks at boxes that grow while the mask reaches their faces.

        Args:
            state: What was seen in the first box.
            free: Axes along which boxes may grow.
            most: Boxes lie in it.
        """
        yield state
        for _ in range(rules.MOST_GROWTHS if self._grows else 0):
            found = state.found
            larger = rules.grown(found.extent, found.mask, found.box.start, self._grid, free)
            larger = larger.within(most) if most else larger
            if larger == found.extent:
                break
            further = self._seen(larger, found.prompts)
            if further.found.ml < rules.LEAST_KEPT * found.ml:  # it has lost sight of the thing
                break
            state = further
            yield state

    def _seen(self, extent: Extent, prompts: tuple[Prompt, ...], last: Seen | None = None) -> Seen:
        """Look once, at a box that is not too small to be looked at."""
        extent = Extent.about(extent.centre, np.maximum(extent.size, LEAST_MM))
        return Seen.by(self._network, self._volume, extent, prompts, last)

    def _slice(self, state: Seen, last: Slice | None) -> Slice | None:
        """Return what is in the slice of a box that lies in one; last: as it was before clicks."""
        prompts = state.found.prompts
        extent = slice_of(prompts[0], self._grid)
        network = self._network.one_slice if extent else None
        if extent is None or network is None:
            return None
        clicks = clicks_of(prompts)
        if last and not is_in_slice(clicks[-1], extent, self._grid):
            return last
        return Slice.seen(self._volume, network, extent, clicks, last)

    def _with_slice(self, state: Seen, known: Slice | None) -> Seen:
        """Return a state whose mask is, in a slice, what it is known to be there."""
        if known is None:
            return state
        mask, box = known.put_into(state.found.mask, state.found.box)
        rules.obey(mask, box.start, clicks_of(state.found.prompts), self._grid)
        return replace(state, found=replace(state.found, mask=mask, box=box), slice=known)
