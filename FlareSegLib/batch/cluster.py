"""Cases on the workers of a Dask cluster: one network per worker, and what dies costs its case."""

from __future__ import annotations

import logging
import math
import platform
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from FlareSegLib import __version__
from FlareSegLib.base.atomic import sweep
from FlareSegLib.base.errors import Cancelled, ResourceError
from FlareSegLib.base.extras import how_to_get
from FlareSegLib.batch.cases import Case
from FlareSegLib.batch.host_memory import host_memory, usable_mib
from FlareSegLib.batch.isolated import Isolated
from FlareSegLib.batch.plan import Plan, failed
from FlareSegLib.batch.pool import GRACE_SECONDS, fitting_jobs
from FlareSegLib.batch.summary import Row

LOCAL = "local"
RETRIES = 2
"""For what Dask itself cannot do, such as fetching an argument from a worker that is gone."""
WAIT_SECONDS = 60.0
"""For the scheduler, and for its first worker."""
_here: dict[tuple[str, int], Isolated] = {}
"""On a worker: the process of each of its threads, for the run that is on."""
_lock = threading.Lock()


def check_installed() -> None:
    """Check that Dask is there.

    Raises:
        ResourceError: It is not.
    """
    if find_spec("distributed") is None:
        cure = f"run {how_to_get('cluster')}, or use --jobs"
        raise ResourceError(f"--scheduler needs Dask, which is not installed: {cure}")


def run_cluster(
    cases: Sequence[Case], plan: Plan, scheduler: str, jobs: int, timeout: float | None
) -> Iterator[Row]:
    """Yield the row of each case as it ends.

    Input, output and model are read and written by the workers, under the same paths as here.

    Args:
        cases: To be run.
        plan: What to do with each; a worker takes one thread a case if options.threads is 0.
        scheduler: Address, or "local" for a cluster of this machine that ends with the run.
        jobs: Workers of a local cluster; 0: as many as fit.
        timeout: Seconds that a case may take; 0: any; None: as its size says.

    Raises:
        ResourceError: There is no scheduler or no worker, or a worker is of another version.
    """
    check_installed()
    from distributed import as_completed

    absolute = replace(plan, output=plan.output.absolute(), model=plan.model.absolute())
    absolute = replace(
        absolute, options=replace(plan.options, threads=max(plan.options.threads, 1))
    )
    sent = [replace(case, source=case.source.absolute()) for case in cases]
    run = uuid4().hex[:8]
    keys = [f"flareseg-{run}-{i}" for i in range(len(sent))]
    with _client(scheduler, fitting_jobs(jobs, len(cases), usable_mib())) as client:
        shares = _shares(_checked_workers(client, absolute))
        more = {"plan": absolute, "timeout": timeout, "run": run, "shares": shares}
        futures = client.map(_run_case, sent, key=keys, retries=RETRIES, pure=False, **more)
        case_of = dict(zip(keys, cases, strict=True))
        try:
            for future in as_completed(futures):
                yield _row(future, case_of[future.key])
        finally:
            with suppress(Exception):  # the scheduler may be gone, which has been said
                client.cancel(futures)
                client.run(_end_run, run)
            sweep(plan.output)


@contextmanager
def _client(scheduler: str, jobs: int) -> Iterator[Any]:
    """Give a client; a local cluster listens on this machine alone, and ends with the block."""
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of every worker that ends
    if scheduler == LOCAL:
        shape = {"n_workers": jobs, "threads_per_worker": 1, "memory_limit": 0}
        with (
            LocalCluster(**shape, dashboard_address=None, host="127.0.0.1") as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=WAIT_SECONDS)
    except (OSError, ValueError) as error:
        raise ResourceError(
            f"no Dask scheduler answers at {scheduler} ({error}): start one with `dask scheduler`"
        ) from error
    with client:
        yield client


@dataclass(frozen=True)
class _Facts:
    """What a worker says of itself."""

    version: str
    lacks: str
    """A folder that it does not see."""
    host: str
    threads: int
    usable_mib: float
    """Of its host."""
    limit_mib: float
    """What Dask's --memory-limit leaves each of its threads."""


def _checked_workers(client: Any, plan: Plan) -> dict[str, _Facts]:
    """Check that there is a worker, and that all are of this version and see the folders."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError as error:
        raise ResourceError(
            f"the scheduler has no worker after {WAIT_SECONDS:.0f} s: start one with `dask worker`"
        ) from error
    found: dict[str, _Facts] = client.run(_facts, (plan.output, plan.model))
    for worker, facts in found.items():
        if facts.version != __version__:
            raise ResourceError(
                f"worker {worker} has flareseg {facts.version}, here is {__version__}: "
                "install the same"
            )
        if facts.lacks:
            raise ResourceError(
                f"worker {worker} has no folder {facts.lacks}: give folders that all machines share"
            )
    return found


def _facts(folders: Sequence[Path], dask_worker: Any = None) -> _Facts:
    """On a worker: return what it says of itself; Dask fills in the worker."""
    lacks = next((folder for folder in folders if not folder.is_dir()), "")
    threads = dask_worker.state.nthreads
    limit_mib = (dask_worker.memory_manager.memory_limit or math.inf) / 2**20 / threads
    return _Facts(__version__, str(lacks), platform.node(), threads, usable_mib(), limit_mib)


def _shares(workers: dict[str, _Facts]) -> dict[str, float]:
    """Return the MiB that a case may take, by host: its threads share what is free at the start."""
    threads = Counter[str]()
    for one in workers.values():
        threads[one.host] += one.threads
    return {one.host: one.usable_mib / threads[one.host] for one in workers.values()}


def _row(future: Any, case: Case) -> Row:
    if future.status == "finished":
        found: Row = future.result()
        return found
    if future.status == "error":
        error = future.exception()
        return failed(case, f"its worker failed ({type(error).__name__}: {error}): run it again")
    raise ResourceError(
        "the Dask scheduler is gone: what is finished stays, --skip-existing goes on from there"
    )


# on a worker


def _run_case(
    case: Case, plan: Plan, timeout: float | None, run: str, shares: dict[str, float]
) -> Row:
    """Run a case in the process that belongs to this thread; it is started for the first case."""
    key = (run, threading.get_ident())
    with _lock:
        isolated = _here.setdefault(key, Isolated(plan, timeout, plan.options.threads))
    try:
        return isolated.run(case, partial(_permit, shares), lambda _: None)
    except Cancelled:
        return failed(case, "the run was stopped")


@contextmanager
def _permit(shares: dict[str, float], mib: float) -> Iterator[None]:
    """Let a case run when the memory of this host allows it; a late host has the least share."""
    from distributed import get_worker

    limit_mib = _facts((), get_worker()).limit_mib
    if mib > limit_mib:
        raise ResourceError(
            f"needs {mib:.0f} MiB of memory, Dask gives a case {limit_mib:.0f} MiB on its worker: "
            "start workers with a larger --memory-limit, or 0"
        )
    with host_memory(mib, shares.get(platform.node(), min(shares.values()))):
        yield


def _end_run(run: str) -> None:
    """End the processes of a run, kindly: a case that is being written may finish."""
    with _lock:
        ours = [_here.pop(key) for key in list(_here) if key[0] == run]
    for isolated in ours:
        isolated.stop()
        threading.Timer(GRACE_SECONDS, isolated.kill).start()
