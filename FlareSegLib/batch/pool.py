"""Several cases at once on this machine: as many processes as are wanted and as memory allows."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from FlareSegLib.base.atomic import sweep
from FlareSegLib.base.errors import Cancelled, ResourceError
from FlareSegLib.base.progress import Step
from FlareSegLib.base.resources import physical_cores
from FlareSegLib.batch.cases import Case
from FlareSegLib.batch.host_memory import usable_mib
from FlareSegLib.batch.isolated import Isolated
from FlareSegLib.batch.plan import Plan
from FlareSegLib.batch.summary import Row

TYPICAL_MIB = 900.0
"""Of a case of 512 x 512 x 215 (see Testing/benchmarks): sets how many processes are begun."""
GRACE_SECONDS = 12.0
"""For cases that are being written when a batch is stopped."""
Steps = Callable[[str, Step], None]
"""Takes the name of a case and its step; may raise Cancelled."""


class Memory:
    """The memory of all processes: a case waits until what it needs is there."""

    def __init__(self, total_mib: float) -> None:
        self._total_mib = self._free_mib = total_mib
        self._changed = threading.Condition()
        self._first = threading.Lock()  # whoever waits is served before those who come later
        self._is_closed = False

    @contextmanager
    def hold(self, mib: float) -> Iterator[None]:
        """Wait for memory, and hold it while the block runs.

        Raises:
            ResourceError: So much will never be there.
            Cancelled: close() was called.
        """
        if mib > self._total_mib:
            raise ResourceError(
                f"needs {mib:.0f} MiB of memory, {self._total_mib:.0f} MiB can be used: close "
                "other programs, crop the CT to the abdomen, or take a larger machine"
            )
        with self._first, self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._free_mib >= mib)
            if self._is_closed:
                raise Cancelled("stopped")
            self._free_mib -= mib
        try:
            yield
        finally:
            with self._changed:
                self._free_mib += mib
                self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


def fitting_jobs(wanted: int, count: int, memory_mib: float) -> int:
    """Return how many processes to use for so many cases.

    Args:
        wanted: 0: one per core, and no more than typical CTs fit into memory.
        count: Number of cases.
        memory_mib: What may be used.
    """
    fitting = int(min(memory_mib / TYPICAL_MIB, physical_cores()))
    return max(1, min(wanted or fitting, count))


def run_pool(
    cases: Sequence[Case], plan: Plan, jobs: int, timeout: float | None, tell: Steps
) -> Iterator[Row]:
    """Yield the row of each case as it ends.

    Args:
        cases: To be run.
        plan: What to do with each.
        jobs: Processes; 0: see fitting_jobs().
        timeout: Seconds that a case may take; 0: any; None: as its size says.
        tell: Takes steps as they come.

    Raises:
        Cancelled: tell() asked to stop; cases that were being written are finished.
    """
    usable = usable_mib()
    jobs = fitting_jobs(jobs, len(cases), usable)
    memory = Memory(usable if jobs > 1 else math.inf)  # alone, a case is told when it is read
    threads = plan.options.threads or max(1, physical_cores() // jobs)
    plan = replace(plan, options=replace(plan.options, threads=threads))
    pool = _Pool(cases, memory, [Isolated(plan, timeout, threads) for _ in range(jobs)])
    try:
        yield from pool.rows(tell)
    finally:
        pool.stop()
        sweep(plan.output)


class _Pool:
    """A thread for each process; what they say comes out of one queue."""

    def __init__(self, cases: Sequence[Case], memory: Memory, workers: Sequence[Isolated]) -> None:
        self._count, self._memory, self._workers = len(cases), memory, workers
        self._todo: queue.SimpleQueue[Case] = queue.SimpleQueue()
        for case in cases:
            self._todo.put(case)
        self._said: queue.SimpleQueue[Row | BaseException | tuple[str, Step]] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, args=(one,)) for one in workers]
        for thread in self._threads:
            thread.start()

    def rows(self, tell: Steps) -> Iterator[Row]:
        """Yield the rows as they come."""
        missing = self._count
        while missing:
            try:
                said = self._said.get(timeout=1.0)  # so that Windows gets its Ctrl-C
            except queue.Empty:
                continue
            if isinstance(said, BaseException):
                raise said
            if isinstance(said, tuple):
                tell(*said)
            else:
                missing -= 1
                yield said

    def stop(self) -> None:
        """End all processes: kindly, and those that do not listen at once."""
        self._memory.close()
        for worker in self._workers:
            worker.stop()
        for thread in self._threads:
            thread.join(GRACE_SECONDS)
        for worker in self._workers:
            worker.kill()
        for thread in self._threads:
            thread.join()

    def _work(self, worker: Isolated) -> None:
        try:
            while True:
                case = self._todo.get_nowait()

                def tell(step: Step, name: str = case.name) -> None:
                    self._said.put((name, step))

                self._said.put(worker.run(case, self._memory.hold, tell))
        except (queue.Empty, Cancelled):
            return
        except BaseException as error:  # noqa: BLE001  it is raised in the main thread
            self._said.put(error)
