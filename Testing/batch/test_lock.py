"""Two batches never write into one folder, and a killed one is in nobody's way."""

import errno
import json
import os
import subprocess
import sys

import pytest

from FlareSegLib.base.errors import OutputError
from FlareSegLib.batch import lock
from FlareSegLib.batch.lock import NAME, locked

HOLD = """
import sys, time
from pathlib import Path
from FlareSegLib.batch.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of tmp_path."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_holds_the_lock(tmp_path, holder):
    said = rf"in use by another batch \(process {holder.pid} on"
    with pytest.raises(OutputError, match=said), locked(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / NAME).exists()
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["process"] == os.getpid()


def test_a_lock_file_from_the_future_of_a_process_that_lives_is_no_lock(tmp_path):
    path = tmp_path / NAME
    path.write_text(json.dumps({"process": os.getppid(), "host": "here"}))
    os.utime(path, (4e9, 4e9))
    with locked(tmp_path):
        pass


def test_nothing_is_left_and_the_lock_can_be_taken_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "new"):
            assert [path.name for path in (tmp_path / "new").iterdir()] == [NAME]
        assert list((tmp_path / "new").iterdir()) == []


def test_a_lock_that_was_removed_between_opening_and_locking_is_opened_anew(tmp_path, monkeypatch):
    real, calls = lock._take, []

    def remove_first(file):
        calls.append(file)
        if len(calls) == 1:
            (tmp_path / NAME).unlink()
        real(file)

    monkeypatch.setattr(lock, "_take", remove_first)
    with locked(tmp_path):
        assert len(calls) == 2
        with pytest.raises(OutputError), locked(tmp_path):
            pass


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog):
    def refuse(_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_take", refuse)
    with locked(tmp_path):
        assert "knows no locks" in caplog.text
