"""Threads are FlareSeg's own; those of a library below them would only wait for each other."""

import os
import subprocess
import sys

from FlareSegLib.base.threads import BLAS, for_each, one_blas_thread
from Testing.command.conftest import ENVIRONMENT

SAY = """
import os, sys
from FlareSegLib.command import main
def say():
    sys.exit(f"{'numpy' in sys.modules} {os.environ['OPENBLAS_NUM_THREADS']}")
main.make_parser = say
main.main(["info"])
"""


def test_the_command_asks_for_one_thread_of_matrices_before_numpy_is_imported():
    known = {key: value for key, value in ENVIRONMENT.items() if key != BLAS}
    for chosen, wanted in (({}, "1"), ({BLAS: "3"}, "3")):
        done = subprocess.run(
            [sys.executable, "-c", SAY], env=known | chosen, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.stderr.strip() == f"False {wanted}"


def test_who_chose_a_number_of_threads_keeps_it(monkeypatch):
    monkeypatch.setenv(BLAS, "4")
    one_blas_thread()
    assert os.environ[BLAS] == "4"


def test_every_item_is_worked_on_by_threads_and_without():
    for threads in (1, 3):
        seen = []
        for_each(seen.append, range(7), threads)
        assert sorted(seen) == list(range(7))
