"""Who hears of a run, and how a run can end without a result."""

from collections.abc import Callable
from dataclasses import dataclass

from slicer import vtkMRMLSegmentationNode


class RunFailed(RuntimeError):
    """A run ended without a result; the message says why."""


class RunCanceled(RunFailed):
    """A run was cancelled; nothing was changed."""


def _ignore(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Ears:
    """Who wants to hear of a run. Exactly one of the last three is called, once."""

    onProgress: Callable[[str, float], None] = _ignore
    """Takes the step and the share that is done, in [0, 1]."""
    onLine: Callable[[str], None] = _ignore
    """Takes a line for the log."""
    onDone: Callable[[vtkMRMLSegmentationNode | None, int], None] = _ignore
    """Takes the result (None if the scene gets none, as of a batch) and the exit code."""
    onFailed: Callable[[str], None] = _ignore
    """Takes the reason, for people."""
    onCanceled: Callable[[], None] = _ignore
    """Nothing was changed."""
