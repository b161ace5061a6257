"""Tasks in several processes, whose results come as each is done."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from FlareSegLib.base.errors import ResourceError

Make = tuple[Any, ...]
"""What makes the one who works, and its arguments."""
_worker: list[Callable[[Any], Any]] = []


def results(make: Make, tasks: Sequence[Any], workers: int) -> Iterator[Any]:
    """Yield what a worker says of each task, in the order in which they are done.

    Args:
        make: A class, or a function that returns one who works, and its arguments; each process
            makes its own. All have to be picklable.
        tasks: What it is called with.
        workers: Processes; 1: this one.

    Raises:
        ResourceError: A process was killed.
    """
    if workers == 1 or len(tasks) < 2:
        worker = make[0](*make[1:]) if tasks else None
        yield from map(worker, tasks) if worker else ()
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, make)
    try:
        for done in as_completed([pool.submit(_work, task) for task in tasks]):
            yield done.result()
    except BrokenProcessPool as error:
        raise ResourceError(
            f"one of {workers} processes was killed, as a rule for want of memory: set "
            "confidence.workers = 1, and go on with --resume"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(*make: Any) -> None:
    """Make the worker of a process, which ends with the first one, and is not asked by Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    _worker.append(make[0](*make[1:]))


def _end_with_the_first() -> None:
    if first := parent_process():
        first.join()
        os._exit(1)


def _work(task: Any) -> Any:
    return _worker[0](task)
