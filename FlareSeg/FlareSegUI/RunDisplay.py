"""What the panel shows of a run: progress, time left, log; and what waits meanwhile."""

import qt
from slicer.i18n import tr as _

from FlareSegUI.TimeLeft import TimeLeft

PERCENT = 100


class RunDisplay:
    """Shows that a run goes on, or what became of it."""

    def __init__(self, ui: object) -> None:
        self._ui = ui
        self._timeLeft = TimeLeft()
        self.said = ""
        """What became of the last run; stands in the line of the state until something changes."""

    @property
    def elapsed(self) -> float:
        """Return the seconds since the run was started."""
        return self._timeLeft.elapsed

    def showProgress(self, step: str, share: float) -> None:
        """Show the step, and the time that is left."""
        self._ui.progressBar.value = round(PERCENT * share)
        left = self._timeLeft.text(share)
        self._ui.statusLabel.text = f"{step} – {left}" if left else step  # noqa: RUF001

    def addLine(self, line: str) -> None:
        """Add a line to the log."""
        self._ui.logText.appendPlainText(line)

    def showRunning(self, button: "qt.QPushButton") -> None:
        """Show that a run goes on; this button cancels it, all else waits."""
        self._timeLeft = TimeLeft()
        self.said = ""
        self._ui.progressBar.value = 0
        self._ui.progressBar.visible = True
        self._ui.logText.clear()
        self._ui.statusLabel.text = _("Starting…")
        for one in (self._ui.applyButton, self._ui.batchButton):
            one.enabled = one is button
        button.text = _("Cancel")
        button.toolTip = _("Stop (Esc); nothing is changed")
        self._enableInputs(False)

    def showCanceling(self) -> None:
        """Show that the run was asked to stop."""
        self._ui.statusLabel.text = _("Cancelling…")
        self._ui.applyButton.enabled = False
        self._ui.batchButton.enabled = False

    def showIdle(self, said: str, percent: int, log: str) -> None:
        """Show that nothing runs, what became of the last run, and where its log is."""
        self.said = said
        self._ui.progressBar.value = percent
        self._ui.progressBar.visible = bool(said)
        self._ui.applyButton.text = _("Apply")
        self._ui.batchButton.text = _("Run batch")
        self._ui.statusLabel.text = said
        self._ui.logFileLabel.text = log
        self._enableInputs(True)

    def _enableInputs(self, isEnabled: bool) -> None:
        ui = self._ui
        sections = (ui.inputsSection, ui.outputsSection, ui.advancedSection)
        batch = (
            ui.batchInputPath, ui.batchOutputPath, ui.batchSkipCheckBox, ui.batchFormatComboBox,
        )  # fmt: skip
        for widget in (*sections, *batch):
            widget.enabled = isEnabled
