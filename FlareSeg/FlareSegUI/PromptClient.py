"""The warm process that answers prompts: the CT goes there once, the newest request wins."""

import contextlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import qt
from slicer import vtkMRMLScalarVolumeNode

from FlareSegLib.prompting.prompts import Prompt
from FlareSegLib.prompting.requests import ANSWER, CT, MASK, REQUEST, START, to_json
from FlareSegUI import Folder, Nodes, Voxels
from FlareSegUI.Runner import Listener, Runner

LOOK_MILLISECONDS = 15
"""An answer is looked for so often: Slicer 5.12 tells lines of a process every 100 ms."""
Answer = dict
"""What the process tells of a thing, with start (k, j, i) and mask; or an error."""


class PromptClient:
    """Asks one process about one volume; a request that is overtaken is never answered."""

    def __init__(
        self, runner: Runner, onAnswer: Callable[[Answer], None], onEnd: Callable[[str], None]
    ) -> None:
        """Take what runs the process, and who is told of answers and of an end nobody asked for."""
        self._runner, self._onAnswer, self._onEndTold = runner, onAnswer, onEnd
        self._folder: Path | None = None
        self._number = self._answered = 0
        self._start: int | None = None
        self._lastLine = ""
        self._timer = qt.QTimer()
        self._timer.setInterval(LOOK_MILLISECONDS)
        self._timer.connect("timeout()", self._look)

    @property
    def isRunning(self) -> bool:
        """Return whether the process is there."""
        return self._runner.isRunning

    def start(self, volume: vtkMRMLScalarVolumeNode) -> None:
        """Start the process with a copy of the volume.

        Raises:
            RuntimeError: The copy cannot be written, or a process is running.
        """
        self._number = self._answered = 0
        self._start = None
        self._folder = Folder.newFolder()
        try:
            Nodes.writeVolume(volume, self._folder / CT)
            ears = Listener(lambda *_: None, self._onLine, self._onEnd)
            self._runner.start(["prompts"], self._folder, Folder.newLog(), ears)
        except Exception:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def begin(self, labels: np.ndarray | None) -> None:
        """Let what is asked from now on be about an organ that is there, or about none.

        Args:
            labels: uint8 (k, j, i), all of the CT: ORGAN and OTHERS, which keep their voxels.
        """
        self._start = None
        if labels is not None:
            self._start = self._number + 1
            start, part = Voxels.cut(labels)
            np.savez(self._folder / START.format(self._start), start=start, labels=part)

    def ask(self, prompts: list[Prompt]) -> int:
        """Ask for the thing of these prompts; return the number of the request."""
        self._number += 1
        told = [to_json(prompt) for prompt in prompts]
        request = {"number": self._number, "start": self._start, "prompts": told}
        part = self._folder / f"{REQUEST}.part"
        part.write_text(json.dumps(request), encoding="utf-8")
        part.replace(self._folder / REQUEST)
        self._timer.start()
        return self._number

    def forget(self) -> None:
        """Let the answers that are still to come be told to nobody."""
        self._answered = self._number

    def stop(self, *, wait: bool = False) -> None:
        """End the process."""
        self.forget()
        self._runner.stop()
        if wait:
            self._runner.wait()

    def _onLine(self, line: str) -> None:
        try:
            facts = json.loads(line)
        except ValueError:
            self._lastLine = line
            return
        self._onFacts(facts)

    def _look(self) -> None:
        """Take the answer from its file, if it is there before its line."""
        if self._answered >= self._number:
            self._timer.stop()
            return
        path = self._folder / ANSWER.format(self._number)
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            return
        self._onFacts(facts)

    def _onFacts(self, facts: Answer) -> None:
        if "answer" not in facts:
            self._lastLine = facts.get("error", self._lastLine)
            return
        number = int(facts["answer"])
        path = self._folder / MASK.format(number)
        if number == self._number and number > self._answered:
            self._answered = number
            if "error" not in facts:
                with np.load(path) as file:
                    facts |= {"start": file["start"].tolist(), "mask": file["mask"]}
            self._onAnswer(facts)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            (self._folder / ANSWER.format(number)).unlink(missing_ok=True)

    def _onEnd(self, code: int) -> None:
        self._timer.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        if code and self._number >= self._answered and self._lastLine:
            logging.error("FlareSeg: the process of prompts ended: %s", self._lastLine)
        self._onEndTold(self._lastLine if code else "")
