"""The progress bar and the signals, in this process."""

import contextlib
import io
import json
import signal
import sys
import threading

import pytest

from FlareSegLib.base.progress import CaseStep, Step, silent
from FlareSegLib.command import terminal
from FlareSegLib.command.terminal import Stoppable, Stopped, shown_progress

STEPS = [Step("read", 0.0), Step("network", 0.25), Step("network", 0.5), Step("write", 0.95)]


class Screen(io.StringIO):
    """A terminal of 80 columns."""

    encoding = "utf-8"

    def isatty(self):
        return True


def shown(monkeypatch, stream) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with shown_progress(is_quiet=False) as progress:
        for step in STEPS:
            progress(step)
    return stream.getvalue()


def test_terminal_gets_a_bar_with_step_and_time_left(monkeypatch):
    pytest.importorskip("tqdm")
    drawn = shown(monkeypatch, Screen()).split("\r")
    at_half = next(text for text in drawn if "50%" in text)
    assert at_half.startswith("network ")
    assert "left" in at_half


def test_bar_is_wiped_at_the_end(monkeypatch):
    pytest.importorskip("tqdm")
    assert shown(monkeypatch, Screen()).split("\r")[-2].strip() == ""


def test_without_tqdm_a_terminal_gets_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    lines = shown(monkeypatch, Screen()).splitlines()
    assert [line.split(" s  ")[1] for line in lines] == ["read", "network", "write"]


def test_stderr_that_nobody_reads_does_not_end_a_run(monkeypatch):
    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    shown(monkeypatch, Closed())


def test_programs_get_a_json_object_per_line(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with shown_progress(is_quiet=False, form="json") as progress:
        for step in STEPS:
            progress(step)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines == [{"step": step.name, "share": step.share} for step in STEPS]


def test_quiet_is_silent():
    with shown_progress(is_quiet=True) as progress:
        assert progress is silent


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_raises_and_handlers_come_back(number, code):
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped, Stoppable():
        signal.raise_signal(number)
    assert stopped.value.exit_code == code
    assert signal.getsignal(number) is before


def test_second_signal_does_not_disturb_the_cleaning_up():
    cleaned = []

    def run():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            cleaned.append(True)

    with pytest.raises(Stopped), Stoppable():
        run()
    assert cleaned


def test_a_signal_that_native_code_swallowed_is_raised_at_the_next_step():
    reached = []

    def run(stoppable):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        reached.append("swallowed")
        stoppable.watch(Step("write", 0.95))
        reached.append("written")

    with pytest.raises(Stopped), Stoppable() as stoppable:
        run(stoppable)
    assert reached == ["swallowed"]


def test_a_signal_that_became_another_error_is_still_a_stop():
    def run():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    with pytest.raises(Stopped), Stoppable():
        run()


def test_from_the_first_file_on_a_run_is_not_stopped():
    with Stoppable() as stoppable:
        stoppable.watch(Step(terminal.LAST_STEPS[0], 0.95))
        stoppable.watch(Step("preview", 0.98))
        signal.raise_signal(signal.SIGINT)


def test_a_signal_while_a_case_is_written_stops_before_the_next_one():
    reached = []

    def run(stoppable):
        stoppable.watch(Step(terminal.LAST_STEPS[0], 0.45))
        signal.raise_signal(signal.SIGTERM)
        reached.append("written")
        stoppable.watch(Step("preview", 0.5))
        reached.append("drawn")
        stoppable.watch(Step("read", 0.5))
        reached.append("next")

    with pytest.raises(Stopped) as stopped, Stoppable() as stoppable:
        run(stoppable)
    assert reached == ["written", "drawn"]
    assert stopped.value.exit_code == 143


def test_a_signal_counts_again_from_the_next_case_on():
    def run(stoppable):
        stoppable.watch(Step(terminal.LAST_STEPS[0], 0.45))
        stoppable.watch(Step("read", 0.5))
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Stopped), Stoppable() as stoppable:
        run(stoppable)


def test_bar_and_lines_for_programs_name_the_case(monkeypatch):
    pytest.importorskip("tqdm")
    step = CaseStep("network", 0.5, "ct", 2, 3)
    for form, expected in (("auto", "2/3 network  50%"), ("json", '"case": "ct", "index": 2')):
        screen = Screen()
        monkeypatch.setattr(sys, "stderr", screen)
        with shown_progress(is_quiet=False, form=form) as progress:
            progress(step)
        assert expected in screen.getvalue()


def test_a_line_goes_out_even_if_nobody_reads_it(monkeypatch, capsys):
    terminal.write_line("one")
    assert capsys.readouterr().out == "one\n"

    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    terminal.write_line("two")


def test_a_line_moves_the_bar_out_of_the_way(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with shown_progress(is_quiet=False) as progress:
        progress(Step("network", 0.5))
        terminal.write_line("one")
    assert capsys.readouterr().out == "one\n"
    assert screen.getvalue().split("\r")[-2].strip() == ""


def test_outside_the_main_thread_signals_are_left_alone():
    before, inside = signal.getsignal(signal.SIGINT), []

    def run():
        with Stoppable():
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert inside == [before]


def test_write_step_is_a_step_of_the_pipeline():
    from FlareSegLib.base.progress import SHARES

    assert terminal.LAST_STEPS[0] in SHARES
