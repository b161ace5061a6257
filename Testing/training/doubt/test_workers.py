"""Tasks in processes of their own."""

import os
import signal

import pytest

from FlareSegLib.base.errors import ResourceError
from training.doubt.workers import results


class Doubler:
    """Doubles a number, and says who did it; 13 kills it."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, number):
        if number == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.factor * number, os.getpid()


@pytest.mark.parametrize("tasks", [[], [4], [1, 2, 3]])
def test_one_worker_is_this_process(tasks):
    assert list(results((Doubler, 2), tasks, 1)) == [(2 * n, os.getpid()) for n in tasks]


@pytest.mark.slow
def test_two_workers_do_every_task_once_elsewhere():
    found = list(results((Doubler, 3), list(range(12)), 2))
    assert sorted(value for value, _ in found) == [3 * n for n in range(12)]
    assert os.getpid() not in {process for _, process in found}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_process_that_was_killed_is_an_error_in_words():
    with pytest.raises(ResourceError, match=r"confidence\.workers = 1"):
        list(results((Doubler, 1), [13, 13], 2))
