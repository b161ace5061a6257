"""Work in threads: NumPy lets others run while it works on large arrays."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
logger = logging.getLogger(__name__)


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
