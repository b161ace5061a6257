"""One thing after another in one CT: prompts in, its mask out. The order of the steps of a prompt.

session = Session(volume, load_prompt_network())
found = session.box((12, -40, -110), (58, 8, -62))      # two corners (R, A, S), mm
found = session.click((30, -20, -90), inside=True)
found = session.undo()
found = session.start(labelmap, 4)                      # an organ that is there: clicks correct it
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting import correct, rules
from FlareSegLib.prompting.correct import Corrected
from FlareSegLib.prompting.found import Found
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
from FlareSegLib.prompting.search import Search
from FlareSegLib.prompting.seen import Seen


class Session:
    """Segments one thing after another; keeps the CT, and every state for undo and redo."""

    def __init__(self, volume: Volume, network: PromptNetwork, *, grow: bool = True) -> None:
        """Keep the CT; nothing is computed yet.

        Args:
            volume: HU, any orientation and spacing.
            network: See load_prompt_network().
            grow: Let a box follow what is found where the prompt does not give its extent.
        """
        self._volume = to_canonical(volume)
        self._network = network
        self._search = Search(self._volume, network, grow=grow)
        self._states: list[Seen | Corrected] = []
        self._undone: list[Seen | Corrected] = []

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
        if isinstance(prompt, ClickPrompt):
            return self._with(self._clicked(prompt))
        return self._with(self._begun(prompt))

    def start(self, labelmap: Labelmap, value: int, *, keep_others: bool = True) -> Found:
        """Return the organ of a value, as it is in a labelmap; clicks correct it from now on.

        Args:
            labelmap: On the grid of the CT. It is kept, and what others have is seen in it.
            value: Of the organ.
            keep_others: Add no voxels that have other values.

        Raises:
            InputError: It is not there, lies on another grid than the CT, or the model has no
                network for corrections.
        """
        asked = (labelmap, value, self._volume, self._network)
        return self._with(correct.started(*asked, keep_others=keep_others))

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

    def _with(self, state: Seen | Corrected) -> Found:
        self._states.append(state)
        self._undone.clear()
        return state.found

    @cached_property
    def _body(self) -> Extent | None:
        return rules.body_of(self._volume)

    def _begun(self, prompt: BoxPrompt | LinePrompt) -> Seen:
        if isinstance(prompt, BoxPrompt):
            extent = box_extent(prompt, self.grid)
            rules.check_smaller(extent, self._body)
            return self._search.by_box(extent, prompt)
        start = self._inside(prompt.start, "the start of the line")
        end = self._inside(prompt.end, "the end of the line")
        length = float(np.linalg.norm(end - start))
        if length < max(1.0, min(self.grid.spacing_mm)):
            raise InputError(f"the line is {length:.1f} mm long: draw it across the thing")
        return self._search.by_line(start, end, prompt)

    def _clicked(self, click: ClickPrompt) -> Seen | Corrected:
        at = self._inside(click.at, "the click")
        last = self._states[-1] if self._states else None
        if isinstance(last, Corrected):
            return self._corrected(at, click, last)
        if last:
            return self._search.by_click(at, click, last)
        if not click.inside:
            raise InputError(
                "the first click says what is outside: draw a box or a line, or click inside"
            )
        return self._search.by_point(at, click)

    def _corrected(self, at: NDArray[np.float64], click: ClickPrompt, last: Corrected) -> Corrected:
        network = self._network.correction
        assert network, "started() has seen it"
        return correct.by_click(self._volume, network, at, click, last)

    def _inside(self, point: Point, what: str) -> NDArray[np.float64]:
        """Return a point in grid mm, checked to lie in the CT."""
        check_point(point, what)
        at = on_grid(point, self.grid)
        index = np.rint(at / np.array(self.grid.spacing_mm))
        if np.any(index < 0) or np.any(index >= np.array(self.grid.shape)):
            raise outside(what, point, self.grid)
        return at
