"""A real Orthanc hands a series over by our script; what comes back lies in the same study."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from Testing.batch.test_watch import CT
from Testing.command.conftest import COMMAND, ENVIRONMENT
from Testing.dicom_series import write_series
from Testing.tiny_model import threshold_model, write_model

pytest.importorskip("highdicom", reason="extra dicom is not installed")
SCRIPT = Path(__file__).parents[2] / "docs" / "pacs" / "orthanc.lua"
PATIENCE = 120


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(ready):
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            if found := ready():
                return found
        except OSError:
            pass
        time.sleep(0.3)
    raise AssertionError("Orthanc took too long")


@pytest.fixture
def orthanc(tmp_path):
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if not program:
        pytest.skip("Orthanc (Debian) is not installed")
    port, store = free_port(), tmp_path / "store"
    settings = {
        "StorageDirectory": str(store), "IndexDirectory": str(store), "HttpPort": port,
        "DicomServerEnabled": False, "RemoteAccessAllowed": False, "StableAge": 1,
        "AuthenticationEnabled": False, "LuaScripts": [str(SCRIPT)],
    }  # fmt: skip
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    (tmp_path / "incoming").mkdir()
    environment = {**os.environ, "FLARESEG_INCOMING": str(tmp_path / "incoming")}
    process = subprocess.Popen(
        [program, tmp_path / "orthanc.json"], env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def ask(path, data=None):
        with urlopen(Request(f"http://127.0.0.1:{port}{path}", data=data), timeout=30) as answer:
            return json.loads(answer.read())

    try:
        until(lambda: ask("/system"))
        yield ask
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.slow
def test_a_series_goes_from_orthanc_to_the_watch_and_back_into_its_study(orthanc, tmp_path):
    source = write_series(
        tmp_path / "ct", array=CT.array, step_mm=8.0, PixelSpacing=[8, 8], SliceThickness=8
    )
    for path in source.iterdir():
        orthanc("/instances", path.read_bytes())
    incoming = tmp_path / "incoming"
    until(lambda: len(list(incoming.rglob("*.dcm"))) == len(CT.array))
    model = write_model(
        tmp_path / "m" / "tiny", threshold_model((16, 24, 24)), spacing_mm=(8.0, 8.0, 8.0)
    )
    words = ["watch", incoming, tmp_path / "out", "--once", "--quiet-for", "1", "--model", model]
    words += ["--format", ".dcm", "--sr", "--runtime", "onnxruntime", "--threads", "1"]
    for expected in (["ok"], []):
        done = subprocess.run(
            [*COMMAND, *map(str, words)],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert [line.split()[1] for line in done.stdout.splitlines()] == expected
    results = sorted((tmp_path / "out").glob("*.dcm"))
    assert len(results) == 2
    for path in results:
        assert orthanc("/instances", path.read_bytes())["Status"] == "Success"
    (study,) = orthanc("/studies")
    series = [orthanc(f"/series/{one}") for one in orthanc(f"/studies/{study}")["Series"]]
    kinds = {one["MainDicomTags"]["Modality"]: len(one["Instances"]) for one in series}
    assert kinds == {"CT": len(CT.array), "SEG": 1, "SR": 1}
