"""The steps of one lesion: what was asked, by which markups, and what was found; to and fro."""

from dataclasses import dataclass, field

from FlareSegLib.prompting.prompts import Prompt


@dataclass
class Step:
    """What stood in the views when it was asked."""

    prompts: list[Prompt] = field(default_factory=list)
    nodes: dict[str, object] = field(default_factory=dict)
    """Copies of the nodes of markups by their kind, outside of the scene."""
    order: list[tuple[str, int]] = field(default_factory=list)
    """In which clicks were placed: kind, and which of that kind."""
    answer: dict | None = None
    """Start, mask and facts, as they were written into the segment; None: not answered."""


class History:
    """All steps since a lesion was begun; the first one is nothing."""

    def __init__(self) -> None:
        self._steps, self._at = [Step()], 0

    @property
    def now(self) -> Step:
        """The step that is shown."""
        return self._steps[self._at]

    @property
    def lastAnswer(self) -> dict | None:
        """What the segment holds: the answer to this step, or to the last one that has any."""
        found = [step.answer for step in self._steps[: self._at + 1] if step.answer is not None]
        return found[-1] if found else None

    @property
    def canUndo(self) -> bool:
        """Return whether there is a step before."""
        return self._at > 0

    @property
    def canRedo(self) -> bool:
        """Return whether a step was taken back."""
        return self._at + 1 < len(self._steps)

    def add(self, step: Step) -> None:
        """Go a step further; those that were taken back are gone."""
        del self._steps[self._at + 1 :]
        self._steps.append(step)
        self._at += 1

    def undo(self) -> Step:
        """Return the step before, which is the one that is shown now."""
        self._at -= self.canUndo
        return self.now

    def redo(self) -> Step:
        """Return the step that was taken back last, which is the one that is shown now."""
        self._at += self.canRedo
        return self.now
