"""The main jobs, run for real: no patient in any output or log, and no network."""

import math
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from Testing.command.conftest import COMMAND, ENVIRONMENT, LEAN
from Testing.dicom_series import write_series
from Testing.phantoms import abdomen

WORDS = ["Mustermann", "Erika", "MRN77123", "19610203", "Geburtsname", "Zweitname"]
"""Of the patient, in every tag that may hold them."""
TAGS = {
    "PatientName": "Mustermann^Erika",
    "PatientID": "MRN77123",
    "PatientBirthDate": "19610203",
    "OtherPatientNames": "Zweitname^Erika",
    "OtherPatientIDs": "MRN77123B",
    "PatientBirthName": "Geburtsname^Erika",
    "PatientMotherBirthName": "Geburtsname^Maria",
    "PatientAddress": "Mustermann street 1",
    "PatientTelephoneNumbers": "555 Mustermann",
    "PatientComments": "Erika Mustermann",
    "ReferringPhysicianName": "Mustermann^Arzt",
    "StudyDescription": "CT Mustermann",
    "SeriesDescription": "Abdomen Mustermann",
    "AccessionNumber": "MRN77123",
    "StudyID": "Mustermann",
    "ImageComments": "Mustermann",
    "RequestedProcedureDescription": "Mustermann MRN77123",
    "InstitutionName": "Mustermann Klinik",
}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A phantom in DICOM files, in folders called after the patient."""
    top = tmp_path_factory.mktemp("cts")
    array = abdomen((40, 38, 48), (8.0, 8.0, 8.0))[0].array
    folder = top / "MUSTERMANN_ERIKA_19610203" / "MRN77123 CT"
    write_series(folder, array=array, step_mm=8.0, PixelSpacing=[8, 8], **TAGS)
    broken = top / "Erika Mustermann (2)"
    tilted = [(-80.0, -60.0 + 8.0 * i * math.tan(math.radians(12)), 8.0 * i) for i in range(20)]
    write_series(broken, tilted, array=array[:20], **TAGS)
    return folder


def told(done, *folders):
    """Return all that a run said and wrote, file names too, packed files as they unpack."""
    texts = [done.stdout.encode(), done.stderr.encode()]
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        texts.append(str(path.relative_to(folders[0].parent)).encode())
        if path.is_file():
            content = path.read_bytes()
            texts.append(content)
            if content[:2] == b"\x1f\x8b":
                texts.append(zlib.decompress(content, 31))
            texts += [zlib.decompress(part) for part in re.findall(b"zTXt[^\0]+\0\0(.+)", content)]
    return b"\n".join(texts).decode("latin-1")


def found(text):
    return [word for word in WORDS if word.lower() in text.lower()]


def test_segment_tells_nothing_of_the_patient(flareseg, series, model, tmp_path):
    out = tmp_path / "out"
    words = ("segment", series, "-o", out / "o.seg.nrrd", "--csv", "--preview", "--model", model)
    done = flareseg(*words, *LEAN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list(out.iterdir())) == 4
    assert found(told(done, out)) == []
    assert "anon-" in (out / "o.report.json").read_text("utf-8")


def test_an_error_tells_nothing_of_the_patient(flareseg, series, model, tmp_path):
    broken = series.parents[1] / "Erika Mustermann (2)"
    done = flareseg("segment", broken, "-o", tmp_path / "o.nii.gz", "--model", model, *LEAN)
    assert done.returncode == 1
    assert "(a gantry tilt)" in done.stderr
    assert found(told(done, tmp_path)) == []


def test_a_batch_tells_nothing_of_the_patient(flareseg, series, model, tmp_path):
    out = tmp_path / "out"
    words = ("batch", series.parents[1], out, "--csv", "--preview", "--model", model, *LEAN)
    done = flareseg(*words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr  # one of the two is broken
    assert "1 ok, 1 failed" in done.stdout
    assert found(told(done, out)) == []
    again = flareseg(*words, "--skip-existing", cwd=tmp_path)
    assert "0 ok, 1 failed, 1 skipped" in again.stdout
    assert found(told(again, out)) == []


def test_ids_are_kept_where_they_are_asked_for(flareseg, series, model, tmp_path):
    out = tmp_path / "out"
    done = flareseg("batch", series.parents[1], out, "--keep-ids", "--model", model, *LEAN)
    assert "MUSTERMANN_ERIKA_19610203" in done.stdout
    assert (out / "MUSTERMANN_ERIKA_19610203_MRN77123_CT_organs.nii.gz").is_file()


# no network

GUARD = """
import sys
def guard(event, _):
    if event.startswith("socket.") and event not in ("socket.gethostname", "socket.__new__"):
        sys.stderr.write(f"NETWORK {event}\\n")
        import os
        os._exit(99)
sys.addaudithook(guard)
"""
"""Runs at the start of each Python process of the run, children too."""


@pytest.fixture
def guarded(tmp_path):
    folder = tmp_path / "guard"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(GUARD)
    path = f"{folder}:{ENVIRONMENT['PYTHONPATH']}"
    return {**ENVIRONMENT, "PYTHONPATH": path}


def run(words, environment, before=()):
    return subprocess.run(
        [*before, *COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="the path of the guard is for POSIX")
def test_the_guard_sees_a_connection(guarded):
    code = "import socket; socket.create_connection(('127.0.0.1', 9))"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=guarded, capture_output=True, text=True, check=False)
    assert done.returncode == 99
    assert "NETWORK socket." in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the path of the guard is for POSIX")
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_main_job_needs_no_network(guarded, ct, model, tmp_path, runtime):
    pytest.importorskip(runtime)
    words = ("segment", ct, "-o", tmp_path / "o.nii.gz", "--csv", "--preview", "--model", model)
    done = run((*words, "--runtime", runtime, "--threads", "1"), guarded)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the path of the guard is for POSIX")
def test_a_batch_needs_no_network(guarded, series, model, tmp_path):
    done = run(("batch", series.parents[1], tmp_path / "out", "--model", model, *LEAN), guarded)
    assert "1 ok, 1 failed" in done.stdout, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the home folder is elsewhere")
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("command", ["segment", "batch"])
def test_no_runtime_keeps_an_identifier_to_tell_its_maker_of_the_run(
    guarded, ct, model, tmp_path, runtime, command
):
    """onnxruntime and openvino did, and openvino asked the network in a process of its own."""
    pytest.importorskip(runtime)
    home = tmp_path / "home"
    home.mkdir()
    environment = {key: value for key, value in guarded.items() if not key.startswith("XDG_")}
    environment |= {"HOME": str(home)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    words = {"segment": (ct, "-o", tmp_path / "o.nii.gz"), "batch": (ct.parent, tmp_path / "out")}
    lean = ("--model", model, "--runtime", runtime, "--threads", "1")
    done = run((command, *words[command], *lean), environment)
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stderr
    assert [path for path in home.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(not Path("/usr/bin/unshare").exists(), reason="needs unshare of Linux")
def test_the_main_job_runs_on_a_machine_without_network(ct, model, tmp_path):
    alone = ("unshare", "--map-root-user", "--net")
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let users make network namespaces")
    words = ("segment", ct, "-o", tmp_path / "o.nii.gz", "--model", model, *LEAN)
    assert run(words, ENVIRONMENT, alone).returncode == 0
