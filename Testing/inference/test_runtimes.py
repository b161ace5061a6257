"""Imports in the background end with the block that they speed up, however it ends."""

import threading

import pytest

from FlareSegLib.base.errors import Cancelled, InputError
from FlareSegLib.inference import runtimes
from FlareSegLib.inference.runtimes import importing_ahead


@pytest.mark.parametrize("error", [InputError("no CT"), Cancelled("stopped"), KeyboardInterrupt()])
def test_no_import_goes_on_after_an_error(monkeypatch, error):
    """A thread that still imports at exit aborts the process: pthread_exit in C++ frames."""
    has_begun, is_left = threading.Event(), threading.Event()
    done = []

    def slow_import(name):
        has_begun.set()
        is_left.wait(10)
        threading.Event().wait(0.05)  # goes on for a while after the error
        done.append(name)

    def failing():
        with importing_ahead("onnxruntime"):
            assert has_begun.wait(10)
            is_left.set()
            raise error

    monkeypatch.setattr(runtimes, "import_module", slow_import)
    threads = set(threading.enumerate())
    with pytest.raises(type(error)):
        failing()
    assert done == ["onnxruntime"]  # what was begun is ended
    assert set(threading.enumerate()) <= threads


def test_the_runtime_is_imported_while_the_block_lasts(monkeypatch):
    done = []
    is_done = threading.Event()

    def fake_import(name):
        done.append(name)
        is_done.set()
        raise ImportError(name)  # told where it is needed, not here

    monkeypatch.setattr(runtimes, "import_module", fake_import)
    with importing_ahead("openvino"):
        assert is_done.wait(10)
    assert done == ["openvino"]
