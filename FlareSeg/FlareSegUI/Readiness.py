"""Whether a run can start: the voxels are looked at once, the memory again and again."""

from collections.abc import Callable

import qt
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _

from FlareSegUI import Checks
from FlareSegUI.Parameter import FlareSegParameterNode

MEMORY_MILLISECONDS = 2000
"""While memory is short, it is looked at again after this time."""


class Readiness:
    """Remembers what was found of volume and model; looks again while memory is short."""

    def __init__(self, onAgain: Callable[[], None]) -> None:
        """Take what is called when it may be otherwise by now."""
        self._checked: tuple = ()
        self._timer = qt.QTimer()
        self._timer.setInterval(MEMORY_MILLISECONDS)
        self._timer.connect("timeout()", onAgain)

    def stop(self) -> None:
        """Look at the memory no more, until whyNot() is asked again."""
        self._timer.stop()

    def whyNot(self, parameters: FlareSegParameterNode) -> str | None:
        """Return why Apply is disabled, for people; None if it can start."""
        volume, model = parameters.inputVolume, parameters.options().model
        self._timer.stop()
        if not parameters.organs:
            return _("Tick at least one organ")
        state = (_stateOf(volume), parameters.modelFolder)
        if self._checked[:1] != (state,):
            self._checked = (state, Checks.whyNotEver(volume, model))
        if self._checked[1] is not None:
            return self._checked[1]
        reason = Checks.whyNotNow(volume, model)
        if reason is not None:  # memory comes back: look again, as long as the panel is open
            self._timer.start()
        return reason


def _stateOf(volume: vtkMRMLScalarVolumeNode | None) -> tuple:
    """Return what changes when the voxels or the grid of a volume do."""
    image = volume.GetImageData() if volume is not None else None
    times = (volume.GetID(), volume.GetMTime()) if volume is not None else ()
    return (*times, image.GetMTime() if image is not None else 0)
