"""flareseg batch while the world breaks: processes are killed, disks are full, files vanish."""

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.batch import isolated
from FlareSegLib.batch import plan as plan_module
from FlareSegLib.batch.cases import Case, find_cases
from FlareSegLib.batch.journal import NAME, read_journal
from FlareSegLib.batch.run import Plan, Ways, run_batch
from Testing.command.conftest import COMMAND, ENVIRONMENT, LEAN
from Testing.dicom_series import along_z, write_series
from Testing.phantoms import abdomen
from Testing.small_disk import disk, resize

RAW = RunOptions(runtime="onnxruntime", threads=1)
SLOW = ("--speed", "accurate", "--no-skip-air")
"""With slow_model: seconds a case."""
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals differ on Windows")


def write(volume, path):
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    image.SetOrigin(volume.grid.origin)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def cts(tmp_path, ct):
    """Four good CTs."""
    folder = tmp_path / "cts"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.nii.gz").write_bytes(ct.read_bytes())
    return folder


def rows(out):
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def statuses(out):
    return {case: row["status"] for case, row in rows(out).items()}


def journal(out):
    return [(facts["case"], facts["status"]) for facts in read_journal(out / NAME)]


def labelmaps(out):
    return {path.name: path.read_bytes() for path in sorted(out.glob("*_organs.nii.gz"))}


def leftovers(out):
    return [path.name for path in out.iterdir() if path.name.startswith(".")]


def start(*words):
    said = [*COMMAND, "batch", *map(str, words), "--progress", "json", *LEAN]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    return subprocess.Popen(said, env=ENVIRONMENT, **pipes)


def wait_for_share(run, share):
    """Read the progress until a case is so far; return its name."""
    for line in run.stderr:
        step = json.loads(line) if line.startswith("{") else {}
        if "case" in step and step["share"] * step["count"] > share:
            return step["case"]
    raise AssertionError("the run ended before it could be broken")


def processes_of(run):
    """Return the processes of a run that segment cases."""
    children = psutil.Process(run.pid).children()
    return [one for one in children if "FlareSegLib.batch.case_process" in one.cmdline()]


def assert_gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []


# quick: in this process, or with cases that end at once


def test_a_ct_that_vanishes_while_it_is_read_costs_only_itself(cts, model, tmp_path):
    def vanish(step):
        if (step.case, step.name) == ("b", "read"):
            (cts / "b.nii.gz").unlink(missing_ok=True)

    found = run_batch(find_cases(cts), Plan(tmp_path / "out", model, RAW), vanish)
    assert [row.status for row in found] == ["ok", "failed", "ok", "ok"]
    assert "b.nii.gz" in found[1].reason


def test_a_ct_that_is_cut_while_it_is_read_costs_only_itself(cts, model, tmp_path, monkeypatch):
    real = plan_module.segment_file

    def cut(job, *words):
        if job.source.name == "b.nii.gz":
            os.truncate(job.source, job.source.stat().st_size // 2)
        return real(job, *words)

    monkeypatch.setattr(plan_module, "segment_file", cut)
    found = run_batch(find_cases(cts), Plan(tmp_path / "out", model, RAW))
    assert [row.status for row in found] == ["ok", "failed", "ok", "ok"]
    assert "cut off or damaged" in found[1].reason


def test_a_clock_that_goes_backwards_changes_nothing(cts, model, tmp_path, monkeypatch):
    stamps = iter(range(2_000_000_000, 0, -1_000_000))
    monkeypatch.setattr("time.time", lambda: float(next(stamps)))
    monkeypatch.setattr("time.time_ns", lambda: next(stamps) * 10**9)
    steps = []
    plan = Plan(tmp_path / "out", model, RAW, skip_existing=True)
    found = run_batch(find_cases(cts), plan, steps.append)
    assert all(row.measured.seconds >= 0 for row in found)
    assert [step.share for step in steps] == sorted(step.share for step in steps)
    assert all(step.seconds_left is None or step.seconds_left >= 0 for step in steps)
    for i, path in enumerate((tmp_path / "out").iterdir()):
        os.utime(path, (4e9 - i, 4e9 - i))  # made in the future
    again = run_batch(find_cases(cts), plan)
    assert [row.status for row in again] == ["skipped"] * 4


def test_a_labelmap_that_was_changed_after_the_run_is_made_anew(cts, model, tmp_path):
    plan = Plan(tmp_path / "out", model, RAW, skip_existing=True)
    run_batch(find_cases(cts), plan)
    path = tmp_path / "out" / "c_organs.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    again = run_batch(find_cases(cts), plan)
    assert [row.status for row in again] == ["skipped", "skipped", "ok", "skipped"]
    assert path.read_bytes() == whole


@pytest.fixture
def huge(cts):
    """A CT of 64 GiB: a true header, and a file with a hole."""
    volume = abdomen((40, 38, 48), (8.0, 8.0, 8.0))[0]
    path = write(volume, cts / "huge.nii")
    header = bytearray(path.read_bytes()[:352])
    header[42:48] = b"".join(n.to_bytes(2, "little") for n in (2048, 2048, 8192))
    path.write_bytes(header)
    os.truncate(path, 352 + 2048 * 2048 * 8192 * 2)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="needs files with holes")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_ct_that_needs_more_memory_than_there_is_is_refused_before_it_is_read(
    cts, huge, model, tmp_path, jobs
):
    plan = Plan(tmp_path / "out", model, RAW)
    found = run_batch(find_cases(cts), plan, ways=Ways(jobs=jobs))
    assert {row.case: row.status for row in found} == {
        **dict.fromkeys("abcd", "ok"),
        "huge": "failed",
    }
    (reason,) = (row.reason for row in found if row.case == "huge")
    assert "memory" in reason
    assert next(row.measured.seconds for row in found if row.case == "huge") < 30


@pytest.mark.slow
def test_two_batches_on_one_folder_do_not_mix(flareseg, cts, model, endless, tmp_path):
    out = tmp_path / "out"
    run = start(cts, out, "--model", endless, *SLOW)
    wait_for_share(run, 0.3)
    second = flareseg("batch", cts, out, "--model", model, *LEAN)
    assert second.returncode == 1
    assert f"{out} is in use by another batch (process {run.pid} on" in second.stderr
    run.kill()
    run.communicate()
    assert flareseg("batch", cts, out, "--model", model, *LEAN).returncode == 0
    assert leftovers(out) == []


# disks


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_a_reason_and_with_room_the_batch_goes_on(cts, model, tmp_path, jobs):
    with disk(tmp_path / "out", "size=48k") as out:
        (out / "others").write_bytes(bytes(20_000))
        plan = Plan(out, model, RAW, skip_existing=True)
        first = []
        with suppress(OutputError):  # there may be no room for the summary either
            run_batch(find_cases(cts), plan, ended=first.append, ways=Ways(jobs=jobs))
        first.sort(key=lambda row: row.case)
        assert len(first) == 4
        failed = [row for row in first if row.status == "failed"]
        assert 1 <= len(failed) <= 3
        assert all("the disk is full" in row.reason for row in failed)
        assert leftovers(out) == []
        (out / "others").unlink()
        resize(out, "1m")
        again = run_batch(find_cases(cts), plan, ways=Ways(jobs=jobs))
        expected = {"ok": "skipped", "failed": "ok"}
        assert [row.status for row in again] == [expected[row.status] for row in first]
        assert statuses(out) == {row.case: row.status for row in again}


def test_a_read_only_disk_is_one_line_before_the_first_case(flareseg, cts, model, tmp_path):
    with disk(tmp_path / "out", "ro") as out:
        done = flareseg("batch", cts, out, "--model", model, "--jobs", "2", *LEAN)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines() == [
            f"flareseg: {out / 'summary.csv'} cannot be written: the disk is read-only: "
            "choose another folder"
        ]


# slow: real processes, killed and stopped in the middle of a case


@posix
@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(cts, model, slow_model, tmp_path):
    out = tmp_path / "out"
    run = start(cts / "[ab]*", out, "--model", slow_model, *SLOW, "--jobs", "2")
    wait_for_share(run, 0.5)
    processes_of(run)[0].kill()
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert statuses(out) == {"a": "ok", "b": "ok"}
    assert leftovers(out) == []


@posix
@pytest.mark.slow
def test_a_batch_that_is_killed_goes_on_and_does_nothing_twice(
    flareseg, cts, model, endless, tmp_path
):
    out = tmp_path / "out"
    words = ("batch", cts, out, "--model", model, "--jobs", "2", "--skip-existing", *LEAN)
    for name in "bcd":
        (cts / f"{name}.nii.gz").rename(tmp_path / f"{name}.nii.gz")
    assert flareseg(*words).returncode == 0
    for name in "bcd":
        (tmp_path / f"{name}.nii.gz").rename(cts / f"{name}.nii.gz")
    before = (out / "a_organs.nii.gz").stat().st_mtime_ns
    run = start(cts, out, "--model", endless, *SLOW, "--jobs", "2", "--skip-existing")
    wait_for_share(run, 1.3)
    processes = processes_of(run)
    run.kill()
    run.communicate()
    assert_gone(processes)
    again = flareseg(*words)
    assert again.returncode == 0, again.stderr
    assert statuses(out) == {"a": "skipped", "b": "ok", "c": "ok", "d": "ok"}
    assert (out / "a_organs.nii.gz").stat().st_mtime_ns == before
    assert leftovers(out) == []
    assert journal(out).count(("a", "ok")) == 1


@posix
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_batch_of_many_processes_ends_with_its_code(cts, endless, tmp_path, number):
    out = tmp_path / "out"
    run = start(cts, out, "--model", endless, *SLOW, "--jobs", "2")
    wait_for_share(run, 0.5)
    processes = processes_of(run)
    run.send_signal(number)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert "stopped: what is finished stays" in said.splitlines()[-1]
    assert_gone(processes)
    assert labelmaps(out) == {}
    assert leftovers(out) == []


@posix
@pytest.mark.slow
def test_a_case_that_hangs_is_stopped_after_its_time_and_others_go_on(
    cts, model, slow_model, tmp_path
):
    out = tmp_path / "out"
    run = start(cts / "[ab]*", out, "--model", slow_model, *SLOW, "--jobs", "2", "--timeout", "45")
    wait_for_share(run, 0.5)
    first = processes_of(run)[0]
    first.suspend()  # it does nothing any more, and does not listen either
    _, said = run.communicate(timeout=200)
    assert run.returncode == 1, said
    assert sorted(statuses(out).values()) == ["failed", "ok"]
    (reason,) = (row["reason"] for row in rows(out).values() if row["reason"])
    assert reason.startswith("took longer than 45 s and was stopped")
    assert leftovers(out) == []


HANGS_AT_B = """
import ctypes
from FlareSegLib.base import resources
resources.LIMIT_SECONDS = 15.0  # so that a test can wait for it
from FlareSegLib.batch import plan
real = plan.segment_file
def segment_file(job, *more):
    if job.source.name == "b.nii.gz":
        ctypes.PyDLL(None).pause()  # native code that keeps the interpreter: no thread runs on
    return real(job, *more)
plan.segment_file = segment_file
from FlareSegLib.batch.case_process import main
main()
"""


@posix
@pytest.mark.slow
def test_a_hung_case_costs_itself_with_one_process_and_no_timeout_too(
    cts, model, tmp_path, monkeypatch
):
    assert not Ways().is_here
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    words = [sys.executable, "-c", HANGS_AT_B]
    monkeypatch.setattr(
        isolated, "_start", lambda _: subprocess.Popen(words, env=ENVIRONMENT, **pipes)
    )
    out = tmp_path / "out"
    found = run_batch(find_cases(cts), Plan(out, model, RAW), ways=Ways())
    assert [row.status for row in found] == ["ok", "failed", "ok", "ok"]
    seconds = 15 + 10 * 2 * 40 * 38 * 48 / 1e6  # the model has the spacing of the CT
    assert found[1].reason.startswith(f"took longer than {seconds:.4f} s and was stopped")
    assert len(journal(out)) == 4
    assert leftovers(out) == []


BAD = {
    "text": lambda path, good: path.write_text("this is no image"),
    "empty": lambda path, good: path.write_bytes(b""),
    "cut": lambda path, good: path.write_bytes(good.read_bytes()[: good.stat().st_size // 2]),
    "noise": lambda path, good: path.write_bytes(bytes(range(256)) * 20),
    "few slices": lambda path, good: write(abdomen((12, 38, 48), (8.0, 8.0, 8.0))[0], path),
    "spacing": lambda path, good: write(abdomen((20, 38, 48), (25.0, 8.0, 8.0))[0], path),
    "8 bit": lambda path, good: sitk.WriteImage(
        sitk.Cast(sitk.ReadImage(str(good)) > 0, sitk.sitkUInt8), str(path)
    ),
    "color": lambda path, good: sitk.WriteImage(
        sitk.Compose(*[sitk.ReadImage(str(good))] * 3), str(path)
    ),
    "link to nowhere": lambda path, good: path.symlink_to(path.parent / "nowhere"),
    "png": lambda path, good: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)),
}


@posix
@pytest.mark.slow
def test_200_cases_with_20_bad_of_10_kinds_give_180_results_and_20_reasons(
    flareseg, ct, model, tmp_path
):
    folder = tmp_path / "cts"
    folder.mkdir()
    kinds = list(BAD)
    names = []
    for i in range(200):
        names.append(f"c{i:03d}.nii.gz")
        path = folder / names[-1]
        if i % 10 == 5:
            BAD[kinds[i // 10 % 10]](path, ct)
        else:
            path.write_bytes(ct.read_bytes())
    table = tmp_path / "list.csv"
    table.write_text("path\n" + "".join(f"cts/{name}\n" for name in names))
    out = tmp_path / "out"
    done = flareseg("batch", table, out, "--model", model, "--jobs", "2", "--html", *LEAN)
    assert done.returncode == 1, done.stderr
    assert "200 CTs: 180 ok, 20 failed, 0 skipped" in done.stdout
    reasons = {case: row["reason"] for case, row in rows(out).items() if row["reason"]}
    assert [int(case[-3:]) for case in reasons] == list(range(5, 200, 10))
    assert not any("unexpected" in reason or "died" in reason for reason in reasons.values())
    assert len(labelmaps(out)) == 180
    assert len(set(labelmaps(out).values())) == 1
    assert len(journal(out)) == 200
    assert "Failed: 20" in (out / "cohort.html").read_text("utf-8")


# the same bytes


@pytest.mark.slow
def test_jobs_order_and_cluster_do_not_change_a_byte(model, tmp_path):
    pytest.importorskip("distributed", reason="extra cluster is not installed")
    cases = []
    for i in range(6):
        volume = abdomen((40 + i, 38, 48), (8.0, 8.0, 8.0), noise_hu=3, seed=i)[0]
        path = write(volume, tmp_path / f"{i}.nii.gz")
        cases.append(Case(f"c{i}", path, path.name))
    found = []
    for i, ways in enumerate((Ways(), Ways(jobs=2), Ways(jobs=3), Ways(scheduler="local", jobs=2))):
        for j, order in enumerate((cases, cases[::-1])):
            plan = Plan(tmp_path / f"out{i}{j}", model, RAW)
            assert all(row.status == "ok" for row in run_batch(order, plan, ways=ways))
            found.append(labelmaps(plan.output))
    assert all(one == found[0] for one in found)
    assert len(set(found[0].values())) == 6


def test_dicom_is_measured_by_its_headers_before_it_is_read(model, tmp_path):
    from FlareSegLib.base.model_file import read_model_config
    from FlareSegLib.base.resources import BASE_MIB
    from FlareSegLib.batch.demand import Demand, demand_of

    folder = write_series(tmp_path / "dicom", along_z(range(20)))
    config = read_model_config(model)
    needed = demand_of(Case("a", folder, "a"), config, 1)
    assert BASE_MIB < needed.memory_mib < BASE_MIB + 200
    assert 600 < needed.limit_seconds < 601
    missing = demand_of(Case("a", tmp_path / "missing.nii", "a"), config, 1)
    assert missing == Demand(0, 600)
