"""Freed memory that stays with the process: tensors of a patch are not asked of the kernel anew."""

from __future__ import annotations

import contextlib
import ctypes

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Names of glibc's malloc.h."""


def keep_freed() -> bool:
    """Tell glibc to give nothing back and to map nothing apart; return whether it obeyed.

    By default every tensor above 32 MiB is a mapping of its own, whose pages the kernel clears one
    by one, at every use; a step of training then spends half of its time there. The process stays
    as large as it once was. Elsewhere than on Linux with glibc nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        glibc = ctypes.CDLL(None)
        glibc.gnu_get_libc_version  # noqa: B018 - other libraries have a mallopt that differs
        return bool(glibc.mallopt(MMAP_MAX, 0) and glibc.mallopt(TRIM_THRESHOLD, 2**31 - 1))
    return False
