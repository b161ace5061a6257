"""A warm process for a panel: the CT is read once, each request is answered in its folder.

Files, no pipes, so that it works however a panel starts its processes. The panel puts ct.nrrd into
the folder, and writes request.json whenever the prompts change; the newest wins, since it takes the
place of the one before. For each there is answer_<number>.npz, then answer_<number>.json, and the
same as a line on stdout: a panel may look for the file, or wait for the line. A request with a
"start" is about an organ in a file of that number, which clicks correct.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import FlareSegError, InputError, OutputError
from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.preprocessing.orient import axes_and_flips
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.prompt_network import PromptNetwork, load_prompt_network
from FlareSegLib.prompting.prompt_report import FLAGS, row_of
from FlareSegLib.prompting.prompts import Prompt
from FlareSegLib.prompting.read_apart import reading
from FlareSegLib.prompting.requests import (
    ANSWER,
    CT,
    MASK,
    ORGAN,
    REQUEST,
    START,
    from_json,
)
from FlareSegLib.prompting.session import Session

POLL_SECONDS = 0.02


class Server:
    """Answers the requests of one folder."""

    def __init__(self, folder: Path, volume: Volume, network: PromptNetwork) -> None:
        self._folder, self._volume = folder, volume
        self._session = Session(volume, network)
        self._start: int | None = None
        self._asked: list[Prompt] = []
        self._answered = 0

    def poll(self) -> dict[str, Any] | None:
        """Answer the request that is there, if it is a new one; return what is told of it."""
        try:
            request = json.loads((self._folder / REQUEST).read_text(encoding="utf-8"))
            number = int(request["number"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if number <= self._answered:
            return None
        self._answered = number
        try:
            self._begin(request.get("start"))
            return {"answer": number, **self._answer(number, request["prompts"])}
        except FlareSegError as error:
            return {"answer": number, "error": str(error)}

    def _answer(self, number: int, wanted: list[dict[str, Any]]) -> dict[str, Any]:
        began = time.perf_counter()
        found = self._follow([from_json(facts) for facts in wanted])
        if found is None:
            raise InputError("no prompt: place a box, a line or a point")
        seconds = time.perf_counter() - began
        row = row_of(found, self._session.volume, "lesion", 1, seconds)
        start, mask = self._as_read(found)
        np.savez(self._folder / MASK.format(number), start=start, mask=mask.astype(np.uint8))
        told = {key: getattr(row, key) for key in ("ml", "hu_mean", "longest_mm", "across_mm")}
        return {**told, "flags": {flag: FLAGS[flag] for flag in row.flags}, "seconds": seconds}

    def _begin(self, start: int | None) -> None:
        """Begin with another organ, or with none, unless it is the same."""
        if start == self._start:
            return
        self._session.new()
        self._asked, self._start = [], start
        if start is not None:
            with np.load(self._folder / START.format(start)) as file:
                first, part = file["start"], file["labels"]
            labels = np.zeros(self._volume.grid.shape, np.uint8)
            labels[tuple(slice(a, a + n) for a, n in zip(first, part.shape, strict=True))] = part
            self._session.start(Labelmap(labels, self._volume.grid), ORGAN)

    def _follow(self, wanted: list[Prompt]) -> Found | None:
        """Bring the session to these prompts; what is the same is not computed again."""
        same = 0
        while same < min(len(wanted), len(self._asked)) and wanted[same] == self._asked[same]:
            same += 1
        while len(self._asked) > same:
            self._asked.pop()
            self._session.undo()
        for prompt in wanted[same:]:
            self._session.prompt(prompt)
            self._asked.append(prompt)
        return self._session.found

    def _as_read(self, found: Found) -> tuple[list[int], np.ndarray[Any, Any]]:
        """Return first voxel and mask (k, j, i) of a thing in the axes of the file."""
        axes, flips = axes_and_flips(self._volume.grid)
        count = found.grid.shape
        starts = [
            count[i] - found.box.stop[i] if flip else found.box.start[i]
            for i, flip in enumerate(flips)
        ]
        turned = found.mask[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
        back = np.argsort(axes)
        return [starts[i] for i in back], np.ascontiguousarray(turned.transpose(back))


def serve(folder: Path, goes_on: Callable[[], bool] = lambda: True) -> int:
    """Answer requests until it is stopped; return the exit code.

    Args:
        folder: Of the panel; holds the CT.
        goes_on: Asked between requests.
    """
    try:
        with reading(folder / CT, folder=folder) as read:
            network = load_prompt_network()
            server = Server(folder, read(), network)
    except FlareSegError as error:
        _tell({"error": str(error)})
        return 1
    _tell({"ready": True})
    while goes_on():
        answer = server.poll()
        if answer is not None:
            _leave(answer, folder / ANSWER.format(answer["answer"]))
            _tell(answer)
        time.sleep(POLL_SECONDS)
    return 0


def _leave(facts: dict[str, Any], path: Path) -> None:
    """Write facts into a file, wholly or not at all; on a full disk the line alone tells them."""
    with contextlib.suppress(OutputError), atomic(path) as part:
        part.write_text(json.dumps(facts), encoding="utf-8")


def _tell(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
