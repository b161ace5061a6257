"""Freed memory stays with a process that trains."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from training.machine.memory import keep_freed
obeyed = {keeps} and keep_freed()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(64 * 2**20, np.uint8)
before = faults()
for _ in range(4):
    np.ones(64 * 2**20, np.uint8)
print(int(obeyed), faults() - before)
"""


def told(*, keeps: bool) -> tuple[int, int]:
    """Return whether glibc obeyed, and the page faults of four arrays of 64 MiB."""
    done = subprocess.run([sys.executable, "-c", FAULTS.format(keeps=keeps)],
                          capture_output=True, text=True, check=True)  # fmt: skip
    obeyed, faults = done.stdout.split()
    return int(obeyed), int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_arrays_that_were_freed_cost_no_page_faults() -> None:
    obeyed, kept = told(keeps=True)
    _, anew = told(keeps=False)
    assert obeyed
    assert kept < 0.1 * anew
