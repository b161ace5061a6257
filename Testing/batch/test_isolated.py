"""A process for cases that dies, hangs or talks nonsense: it costs its case and no other."""

import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from FlareSegLib.base.errors import Cancelled, ResourceError
from FlareSegLib.base.progress import Step
from FlareSegLib.batch import isolated
from FlareSegLib.batch.cases import Case
from FlareSegLib.batch.isolated import Isolated
from FlareSegLib.batch.plan import Plan, plan_of

FAKE = """
import json, os, signal, sys, time
def tell(**facts):
    print(json.dumps(facts), flush=True)
temporary = json.loads(sys.stdin.readline())["temporary"]
for line in sys.stdin:
    case = json.loads(line)
    open(os.path.join(temporary, "unpacked"), "w").close()
    name = case["name"]
    with open(sys.argv[1], "a") as log:
        log.write(name + "\\n")
    if name == "slow to tell its needs":
        time.sleep(600)
    tell(memory_mib=7, limit_seconds=0.5 if name == "hangs" else 600)
    if not json.loads(sys.stdin.readline())["go"]:
        continue
    tell(step="read", share=0.5)
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "killed once" and open(sys.argv[1]).read().count(name) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "ends":
        sys.exit(3)
    if name == "hangs":
        time.sleep(600)
    if name == "nonsense":
        print("Segmentation fau", end="", flush=True)
        os._exit(0)
    tell(row={**dict(case="", place="", series="", status="ok", reason="", seconds=1, flags=[],
         volumes_ml={}), "case": name})
"""


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Where the fake process writes which cases it began; it stands in for the real one."""
    log = tmp_path / "log"
    log.touch()  # on a busy machine the process may be stopped before it begins

    def start(_):
        return subprocess.Popen(
            [sys.executable, "-c", FAKE, str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    monkeypatch.setattr(isolated, "_start", start)
    return log


@pytest.fixture
def worker(begun, tmp_path):
    made = Isolated(Plan(tmp_path, tmp_path), timeout=20, threads=1)
    yield made
    made.kill()


def run(worker, name, permit=lambda _: nullcontext(), tell=lambda _: None):
    return worker.run(Case(name, Path("x.nii"), "x.nii"), permit, tell)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("killed", "killed by SIGKILL"), ("ends", "exit code 3"), ("nonsense", "exit code 0")],
)
def test_a_process_that_dies_costs_its_case_and_no_other(worker, begun, name, reason):
    assert run(worker, "before").status == "ok"
    row = run(worker, name)
    assert (row.case, row.status) == (name, "failed")
    assert reason in row.reason
    assert run(worker, "after").status == "ok"
    assert begun.read_text().split("\n")[:-1] == ["before", name, name, "after"]


def test_a_case_whose_process_was_killed_once_is_begun_again(worker, begun):
    assert run(worker, "killed once").status == "ok"
    assert begun.read_text().count("killed once") == 2


@pytest.mark.parametrize("name", ["hangs", "slow to tell its needs"])
def test_a_case_that_hangs_is_stopped_and_not_tried_again(begun, tmp_path, name):
    worker = Isolated(Plan(tmp_path, tmp_path), timeout=0.5, threads=1)
    row = run(worker, name)
    assert row.status == "failed"
    assert "took longer than 0.5 s and was stopped" in row.reason
    assert begun.read_text().count(name) <= 1
    worker.kill()


@pytest.mark.parametrize("name", ["killed", "hangs"])
def test_what_a_killed_process_has_unpacked_is_removed(begun, temporary, tmp_path, name):
    worker = Isolated(Plan(tmp_path, tmp_path), timeout=None, threads=1)
    assert run(worker, "before").status == "ok"
    assert len(list(temporary.glob("flareseg-*/unpacked"))) == 1
    assert run(worker, name).status == "failed"
    assert list(temporary.iterdir()) == []


def test_without_a_timeout_a_case_has_the_time_that_its_size_gives(begun, tmp_path):
    worker = Isolated(Plan(tmp_path, tmp_path), timeout=None, threads=1)
    assert run(worker, "before").status == "ok"
    row = run(worker, "hangs")
    assert row.status == "failed"
    assert "took longer than 0.5 s and was stopped" in row.reason
    assert run(worker, "after").status == "ok"
    assert begun.read_text().split() == ["before", "hangs", "after"]
    worker.kill()


def test_a_timeout_of_0_is_none(begun, tmp_path):
    worker = Isolated(Plan(tmp_path, tmp_path), timeout=0, threads=1)
    threads = []
    assert run(worker, "a", tell=lambda _: threads.extend(threading.enumerate())).status == "ok"
    assert not [one for one in threads if isinstance(one, threading.Timer)]
    worker.kill()


def test_memory_is_asked_for_and_a_refusal_is_the_reason(worker, begun):
    asked = []

    def refuse(mib):
        asked.append(mib)
        raise ResourceError("too much")

    row = run(worker, "large", refuse)
    assert (row.status, row.reason, asked) == ("failed", "too much", [7])
    assert run(worker, "small").status == "ok"


def test_steps_are_told(worker):
    steps = []
    run(worker, "a", tell=steps.append)
    assert steps == [Step("read", 0.5)]


def test_what_was_stopped_runs_nothing_more(worker):
    worker.kill()
    with pytest.raises(Cancelled):
        run(worker, "a")


def test_a_plan_comes_back_as_it_was(tmp_path):
    plan = Plan(tmp_path / "out", tmp_path / "m", extension=".nrrd", hu_offset=-3, with_page=True)
    assert plan_of(plan.to_dict()) == plan
