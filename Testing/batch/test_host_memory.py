"""Workers of a host that know nothing of each other: small cases run together, large ones alone."""

import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from FlareSegLib.base.errors import ResourceError
from FlareSegLib.batch import host_memory as module
from FlareSegLib.batch.host_memory import host_memory

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no shared locks")
SHARE = 100.0


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    """A host with 1,000 MiB and locks of its own."""
    monkeypatch.setattr(module, "usable_mib", lambda: 1000.0)
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


def begun(mib, log, name):
    """Begin a case in a thread; it writes its name when it has its memory."""

    def run():
        with host_memory(mib, SHARE):
            log.append(name)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_cases_within_their_share_run_together():
    with host_memory(100, SHARE), host_memory(90, SHARE), host_memory(1, SHARE):
        pass  # a lock for each would hang here


def test_a_large_case_waits_for_the_others_and_holds_back_those_who_come_later():
    log = []
    with ExitStack() as running:
        running.enter_context(host_memory(50, SHARE))
        large = begun(500, log, "large")
        large.join(0.05)  # it must wait; a wrong lock lets it through at once
        assert log == []
        small = begun(50, log, "small")
        small.join(0.05)
        assert log == []
        log.append("first ends")
    large.join(10)
    small.join(10)
    assert log == ["first ends", "large", "small"]


def test_more_than_the_host_has_is_refused_and_the_memory_given_back():
    for _ in range(2):
        with pytest.raises(ResourceError, match="needs 1001 MiB of memory, 1000 MiB can be used"):
            host_memory(1001, SHARE).__enter__()
    with host_memory(900, SHARE):
        pass


def test_what_a_killed_process_held_is_free(host):
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from FlareSegLib.batch import host_memory as m; m.usable_mib = lambda: 1000.0\n"
        "held = m.host_memory(500, 100); held.__enter__()\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(host)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes) as other:
        assert other.stdout.readline() == "held\n"
        log = []
        waiting = begun(50, log, "after")
        waiting.join(0.05)
        assert log == []
        other.kill()
        waiting.join(10)
    assert log == ["after"]
