"""python -m FlareSegLib.batch.case_process: a process that segments cases as it is told.

Its stdin is its lifeline and its orders, a JSON object per line: first the plan, then case after
case. It answers on its stdout, a JSON object per line: how much memory a case needs and how long it
may take (and waits for the word to go), steps, and the row. If stdin is closed, the case that runs
is rolled back or, if its files are being written, finished; then the process ends. See isolated.py
for the other side.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from FlareSegLib.base.errors import Cancelled, FlareSegError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.progress import LAST_STEPS, Step
from FlareSegLib.batch.cases import Case
from FlareSegLib.batch.demand import Demand, demand_of
from FlareSegLib.batch.plan import Plan, plan_of, run_case
from FlareSegLib.images.archive import unzipped
from FlareSegLib.inference.runtimes import loads_once

GRACE_SECONDS = 10.0
"""Native code cannot be asked to stop; after this time the process ends anyway."""


class _Line:
    """The two lines to the process that gives the orders."""

    def __init__(self) -> None:
        self._out = _own_stdout()
        self._orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.is_cut = False
        threading.Thread(target=self._listen, daemon=True).start()

    def order(self) -> dict[str, Any]:
        """Return the next order.

        Raises:
            Cancelled: There will be none.
        """
        found = self._orders.get()
        if found is None:
            raise Cancelled("stdin is closed")
        return found

    def tell(self, **facts: object) -> None:
        """Send a message; if nobody listens the process shall end."""
        try:
            self._out.write(json.dumps(facts) + "\n")
            self._out.flush()
        except OSError:
            raise Cancelled("stdout is closed") from None

    def _listen(self) -> None:
        for line in sys.stdin:
            self._orders.put(json.loads(line))
        self.is_cut = True
        self._orders.put(None)
        time.sleep(GRACE_SECONDS)
        os._exit(1)


def _own_stdout() -> TextIO:
    """Return a stream to stdout of our own: what libraries print goes to stderr."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def main() -> None:
    """Run cases until stdin is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are for the process that gives the orders
    line = _Line()
    try:
        hello = line.order()
        logging.basicConfig(format="flareseg: %(message)s")  # what libraries say: warnings only
        logging.getLogger("FlareSegLib").setLevel(hello["log_level"])
        tempfile.tempdir = hello["temporary"] or None  # the other side removes it after a kill
        try:
            _serve(line, plan_of(hello["plan"]))
        finally:
            shutil.rmtree(hello["temporary"], ignore_errors=True)
    except Cancelled:
        return


def _serve(line: _Line, plan: Plan) -> None:
    load = loads_once()
    while True:
        facts = line.order()
        case = Case(facts["name"], Path(facts["source"]), facts["place"], facts["series"])

        def progress(step: Step) -> None:
            if line.is_cut and step.name not in LAST_STEPS:
                raise Cancelled("stdin is closed")
            line.tell(step=step.name, share=step.share)

        with _unpacked(case.source) as source:
            line.tell(**vars(_demand_of(replace(case, source=source), plan)))
            if line.order()["go"]:
                line.tell(row=run_case(case, plan, load, progress, source).to_dict())


@contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    """Yield what unzipped() does, for all that is asked of a case; source itself if it cannot."""
    with ExitStack() as stack:
        found = source
        with suppress(FlareSegError, OSError):  # run_case() will say it
            found = stack.enter_context(unzipped(source))
        yield found


def _demand_of(case: Case, plan: Plan) -> Demand:
    try:
        config = read_model_config(plan.model)
    except FlareSegError:  # run_case() will say it
        return Demand()
    return demand_of(case, config, max(plan.options.threads, 1), plan.options.speed)


if __name__ == "__main__":
    main()
