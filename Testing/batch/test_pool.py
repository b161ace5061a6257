"""Memory is shared out among cases, and no more processes are begun than fit."""

import threading

import pytest

from FlareSegLib.base.errors import Cancelled, ResourceError
from FlareSegLib.batch import pool
from FlareSegLib.batch.pool import TYPICAL_MIB, Memory, fitting_jobs


def test_what_will_never_fit_is_refused_at_once():
    memory = Memory(100)
    said = "needs 101 MiB of memory, 100 MiB can be used"
    with pytest.raises(ResourceError, match=said), memory.hold(101):
        pass


def test_a_case_waits_until_memory_is_given_back():
    memory, order = Memory(100), []
    has_begun = threading.Event()

    def second():
        has_begun.set()
        with memory.hold(60):
            order.append("second")

    with memory.hold(60):
        thread = threading.Thread(target=second)
        thread.start()
        has_begun.wait(10)
        thread.join(0.05)  # it must still wait; a wrong Memory lets it through at once
        assert thread.is_alive()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_memory_comes_back_when_a_case_fails():
    memory = Memory(100)
    for _ in range(3):
        with pytest.raises(KeyError), memory.hold(100):
            raise KeyError


def test_who_waits_when_all_ends_is_woken():
    memory, ends = Memory(100), []

    def wait():
        with pytest.raises(Cancelled), memory.hold(100):
            pass
        ends.append("woken")

    with memory.hold(1):
        thread = threading.Thread(target=wait)
        thread.start()
        memory.close()
        thread.join(10)
    assert ends == ["woken"]


@pytest.mark.parametrize(
    ("wanted", "count", "memory_mib", "expected"),
    [
        (0, 100, 1e6, 8),
        (0, 100, 3.5 * TYPICAL_MIB, 3),
        (0, 100, 10, 1),
        (0, 2, 1e6, 2),
        (5, 100, 1e6, 5),
        (5, 3, 1e6, 3),
        (0, 100, float("inf"), 8),
    ],
)
def test_as_many_processes_as_cores_memory_and_cases_allow(
    monkeypatch, wanted, count, memory_mib, expected
):
    monkeypatch.setattr(pool, "physical_cores", lambda: 8)
    assert fitting_jobs(wanted, count, memory_mib) == expected
