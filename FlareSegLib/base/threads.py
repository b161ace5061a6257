"""Work in threads: NumPy lets others run while it works on large arrays."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
logger = logging.getLogger(__name__)
BLAS = "OPENBLAS_NUM_THREADS"
"""Variable that NumPy's library of matrices reads when it is imported."""


def one_blas_thread() -> None:
    """Let products of matrices take one thread, if NumPy is not imported yet and nobody chose.

    Threads are FlareSeg's own. Those of a library below them wait for each other by spinning: on a
    busy machine resampling by splines took ten times the CPU.
    """
    os.environ.setdefault(BLAS, "1")


def for_each(work: Callable[[Item], None], items: Sequence[Item], threads: int) -> None:
    """Run work for every item, threaded; serially if that fails (paper 1, section 2.3)."""
    if threads > 1:
        try:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, items))
            return
        except (MemoryError, RuntimeError) as error:
            logger.warning("a thread failed (%s): going on with one thread", error)
    for item in items:
        work(item)
