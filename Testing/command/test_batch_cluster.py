"""flareseg batch on a Dask cluster of its own machine, while workers and the client are killed."""

import platform
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import ResourceError
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.batch import cluster
from FlareSegLib.batch.cases import find_cases
from FlareSegLib.batch.run import Plan, Ways, run_batch
from Testing.command.conftest import COMMAND, ENVIRONMENT, LEAN
from Testing.phantoms import abdomen

distributed = pytest.importorskip("distributed", reason="extra cluster is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals differ on Windows")
RAW = RunOptions(runtime="onnxruntime", threads=1)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def running(*words):
    """Run a part of Dask; kills it and its children at the end."""
    said = [sys.executable, "-m", "dask", *words]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(said, env=ENVIRONMENT, **quiet)
    try:
        yield process
    finally:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.kill()
        process.wait()


@contextmanager
def two_workers():
    """Give the address of a scheduler, and two workers without a nanny that would revive them."""
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    alone = ("--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--no-dashboard")
    scheduler = ("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    with (
        running(*scheduler),
        running("worker", address, *alone) as one,
        running("worker", address, *alone) as other,
        distributed.Client(address, timeout=60) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield address, one, other


@pytest.fixture
def cts(tmp_path, ct):
    folder = tmp_path / "cts"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.nii.gz").write_bytes(ct.read_bytes())
    return folder


def test_without_dask_it_says_what_to_install(tmp_path, model, monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nii").write_text("x")
    plan = Plan(tmp_path / "out", model, RAW)
    with pytest.raises(ResourceError, match=r"pip install 'dask\[distributed\]"):
        run_batch(find_cases(tmp_path / "in"), plan, ways=Ways(scheduler="local"))


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_said(tmp_path, cts, model, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 1.0)
    ways = Ways(scheduler=f"tcp://127.0.0.1:{free_port()}")
    with pytest.raises(ResourceError, match="no Dask scheduler answers"):
        run_batch(find_cases(cts), Plan(tmp_path / "out", model, RAW), ways=ways)


def test_workers_of_one_host_share_its_memory():
    one = cluster._Facts("", "", "a", 1, 3000, 1e9)
    other = cluster._Facts("", "", "b", 4, 2000, 1e9)
    shares = cluster._shares({"tcp://a:1": one, "tcp://a:2": one, "tcp://b:1": other})
    assert shares == {"a": 1500, "b": 500}


@pytest.mark.slow
def test_cases_larger_than_their_share_of_the_host_run_one_after_the_other(
    tmp_path, cts, slow_model, monkeypatch
):
    monkeypatch.setattr(cluster, "_shares", lambda workers: dict.fromkeys([platform.node()], 1.0))
    options = RunOptions(runtime="onnxruntime", threads=1, speed="accurate", skip_air=False)
    plan = Plan(tmp_path / "out", slow_model, options)
    (cts / "c.nii.gz").unlink()
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=None
    ) as two:
        began = time.monotonic()
        ways = Ways(scheduler=two.scheduler_address)
        found = run_batch(find_cases(cts), plan, ways=ways)
        wall = time.monotonic() - began
    assert [row.status for row in found] == ["ok", "ok"]
    assert sum(row.measured.seconds for row in found) <= wall  # together they would take less


@pytest.mark.slow
def test_a_case_larger_than_the_limit_of_dask_is_refused(tmp_path, cts, model):
    big = abdomen((320, 152, 192), (2.0, 2.0, 2.0))[0]
    image = sitk.GetImageFromArray(big.array)
    image.SetSpacing((2.0, 2.0, 2.0))
    sitk.WriteImage(image, str(cts / "big.nii.gz"))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit="340MiB", dashboard_address=None
    ) as two:
        ways = Ways(scheduler=two.scheduler_address)
        found = run_batch(find_cases(cts), Plan(tmp_path / "out", model, RAW), ways=ways)
    assert {row.case: row.status for row in found} == {
        **dict.fromkeys("abc", "ok"),
        "big": "failed",
    }
    (reason,) = (row.reason for row in found if row.case == "big")
    assert "Dask gives a case 340 MiB on its worker" in reason


def case_processes(worker):
    return [
        one
        for one in psutil.Process(worker.pid).children(recursive=True)
        if one.status() != psutil.STATUS_ZOMBIE
        and "FlareSegLib.batch.case_process" in one.cmdline()
    ]


def wait_for(condition, run):
    while not condition():
        assert run.poll() is None, run.communicate()
        psutil.wait_procs([psutil.Process(run.pid)], timeout=0.2)


@pytest.mark.slow
def test_a_killed_worker_gives_its_case_to_another_and_a_killed_client_goes_on(
    tmp_path, cts, slow_model, model, flareseg
):
    out = tmp_path / "out"
    slow = ("--speed", "accurate", "--no-skip-air", "--model", slow_model, *LEAN)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with two_workers() as (address, one, other):
        words = ["batch", cts, out, "--scheduler", address, "--skip-existing"]
        run = subprocess.Popen([*COMMAND, *map(str, [*words, *slow])], env=ENVIRONMENT, **pipes)
        wait_for(lambda: case_processes(one) and case_processes(other), run)
        orphans = case_processes(one)
        one.kill()  # the worker in the middle of its case
        said, errors = run.communicate(timeout=200)
        assert run.returncode == 0, errors
        assert "3 CTs: 3 ok, 0 failed" in said
        assert psutil.wait_procs(orphans, timeout=20)[1] == []
        for path in out.glob("[bc]_organs*"):
            path.unlink()
        run = subprocess.Popen([*COMMAND, *map(str, [*words, *slow])], env=ENVIRONMENT, **pipes)
        wait_for(lambda: case_processes(other), run)
        run.kill()  # the client
        run.communicate()
        done = flareseg(*words, "--model", model, *LEAN)
        assert done.returncode == 0, done.stderr
        assert "0 failed" in done.stdout
        assert "a_organs.nii.gz" in {path.name for path in out.iterdir()}
