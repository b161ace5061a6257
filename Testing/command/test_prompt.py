"""flareseg prompt with the network that ships, on a phantom with a ball in its liver."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.prompting.prompt_network import DEFAULT
from Testing.command.conftest import ENVIRONMENT

CENTRE = (40.0, 20.0, 40.0)
"""(L, P, S) of the ball."""
RADIUS = 18.0
BOX = ",".join(f"{v:g}" for v in (-60, -20, -40, 0, 20, 60))


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A body of soft tissue in fat, with a darker ball."""
    z, y, x = np.indices((48, 80, 100)) * np.array([2.5, 2.0, 2.0])[:, None, None, None]
    x, y, z = x - 100 + CENTRE[0], y - 80 + CENTRE[1], z - 60 + CENTRE[2]
    apart = ((x - 40) / 90) ** 2 + ((y - 20) / 70) ** 2
    hu = np.select([apart < 0.7, apart < 1], [100, -90], -1000).astype(np.int16)
    hu[(x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (z - CENTRE[2]) ** 2 < RADIUS**2] = 40
    hu = hu + np.random.default_rng(0).normal(0, 8, hu.shape).astype(np.int16)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((2.0, 2.0, 2.5))
    image.SetOrigin((CENTRE[0] - 100, CENTRE[1] - 80, CENTRE[2] - 60))
    path = tmp_path_factory.mktemp("ct") / "ct.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture(scope="module")
def done(flareseg, scan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    ended = flareseg("prompt", scan, "--box", BOX, "-o", folder / "lesion.seg.nrrd", "--csv")
    assert ended.returncode == 0, ended.stderr
    return folder, ended


def test_a_box_gives_the_ball(done):
    image = sitk.ReadImage(str(done[0] / "lesion.seg.nrrd"))
    found = np.count_nonzero(sitk.GetArrayViewFromImage(image)) * 10.0 / 1000
    assert found == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.15)


def test_slicer_finds_a_name_and_a_code(done):
    image = sitk.ReadImage(str(done[0] / "lesion.seg.nrrd"))
    assert image.GetMetaData("Segment0_Name") == "lesion"
    assert "SCT^52988006^Lesion" in image.GetMetaData("Segment0_Tags")


def test_the_report_tells_size_prompts_and_model(done):
    report = json.loads((done[0] / "lesion.report.json").read_text(encoding="utf-8"))
    (row,) = report["things"]
    assert row["longest_mm"] == pytest.approx(2 * RADIUS, rel=0.15)
    assert row["hu_mean"] == pytest.approx(40, abs=12)
    assert row["prompts"][0]["kind"] == "box"
    model = report["run"]["model"]
    assert model["name"] == "flare-prompt"
    for key, file in (
        ("sha256", "model.onnx"),
        ("one_slice_sha256", "model_slice.onnx"),
        ("correction_sha256", "model_correction.onnx"),
    ):
        assert model[key] == hashlib.sha256((DEFAULT / file).read_bytes()).hexdigest()
    assert row["slice_s_mm"] == pytest.approx(CENTRE[2], abs=12)


def test_the_table_and_the_places_are_printed(done):
    folder, ended = done
    assert "lesion" in ended.stdout
    assert {path.name for path in folder.iterdir()} == {
        "lesion.seg.nrrd", "lesion.report.json", "lesion.csv"
    }  # fmt: skip
    assert str(folder / "lesion.csv") in ended.stdout


@pytest.mark.slow
def test_one_and_two_threads_give_the_same_mask(flareseg, scan, tmp_path):
    for n in (1, 2):
        flareseg("prompt", scan, "--box", BOX, "-o", tmp_path / f"{n}.nii.gz", "--threads", n)
    paths = (str(tmp_path / f"{n}.nii.gz") for n in (1, 2))
    one, two = (sitk.GetArrayFromImage(sitk.ReadImage(path)) for path in paths)
    np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_many_things_of_a_table_become_values_of_one_labelmap(flareseg, scan, tmp_path):
    table = tmp_path / "list.csv"
    rows = f'ball,"{BOX}"\nagain,"{BOX}"\n'
    table.write_text("name,box\n" + rows, encoding="utf-8")
    ended = flareseg("prompt", scan, "--prompts", table, "-o", tmp_path / "all.nii.gz")
    assert ended.returncode == 0, ended.stderr
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "all.nii.gz")))
    assert set(np.unique(labels)) == {0, 1}, "the second lies where the first is, which keeps it"
    report = json.loads((tmp_path / "all.report.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in report["things"]] == ["ball", "again"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "no prompt"),
        (("--box", "1,2,3"), 1, "give 6"),
        (("--box", BOX, "--line", BOX), 2, "exclude each other"),
        (("--box", "900,950,0,10,0,10"), 1, "outside of the CT"),
        (("--box", "nan,1,2,3,4,5"), 1, "finite"),
        (("--box", "-40,-40,-20,-20,40,40"), 1, "has a size of"),
        (("--box", "-150,90,-120,80,0,40"), 1, "holds the whole body"),
        (("--remove", "-40,-20,40"), 2, "no prompt"),
        (("--markups", "none.mrk.json"), 1, "cannot be read"),
        (("--prompts", "none.csv"), 1, "cannot be read"),
        (("--box", BOX, "--model", "."), 1, "no network of prompts"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(flareseg, scan, tmp_path, words, code, said):
    ended = flareseg("prompt", scan, *words, "-o", tmp_path / "o.nii.gz", "--quiet", cwd=tmp_path)
    assert ended.returncode == code
    assert said in ended.stderr
    assert code == 2 or len(ended.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


POINT = '{"markups": [{"type": "Fiducial", "coordinateSystem": "%s", "controlPoints": [%s]}]}'
AT = '{"position": [%g, %g, %g], "positionStatus": "defined"}'


@pytest.mark.parametrize(
    ("name", "text", "option", "said"),
    [
        ("empty.mrk.json", POINT % ("LPS", ""), "--markups", "no placed point"),
        ("other.mrk.json", POINT % ("LPS", AT % (900, 20, 40)), "--markups", "outside of the CT"),
        ("ijk.mrk.json", POINT % ("IJK", AT % CENTRE), "--markups", "LPS or RAS"),
        ("list.csv", "name,bix\nball,1\n", "--prompts", "did you mean 'box'"),
        ("list.csv", "name,box\nball,1 2 3\n", "--prompts", "row 1: box"),
    ],
)
def test_a_bad_file_of_prompts_gets_one_line_and_writes_nothing(
    flareseg, scan, tmp_path, name, text, option, said
):
    (tmp_path / name).write_text(text, encoding="utf-8")
    ended = flareseg("prompt", scan, option, name, "-o", "o.nii.gz", "--quiet", cwd=tmp_path)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.slow
def test_points_in_lps_and_in_ras_give_the_same(flareseg, scan, tmp_path):
    found = {}
    for system, at in (("LPS", CENTRE), ("RAS", (-CENTRE[0], -CENTRE[1], CENTRE[2]))):
        path = tmp_path / f"{system}.mrk.json"
        path.write_text(POINT % (system, AT % at), encoding="utf-8")
        out = tmp_path / f"{system}.nii.gz"
        ended = flareseg("prompt", scan, "--markups", path, "-o", out)
        assert ended.returncode == 0, ended.stderr
        found[system] = sitk.GetArrayFromImage(sitk.ReadImage(str(out)))
    np.testing.assert_array_equal(found["LPS"], found["RAS"])
    assert found["LPS"].any()


def test_an_mr_is_told_apart_and_writes_nothing(flareseg, scan, tmp_path):
    image = sitk.ReadImage(str(scan))
    bright = (sitk.Cast(image, sitk.sitkFloat32) + 1024) * 0.4
    sitk.WriteImage(sitk.Cast(bright, sitk.sitkInt16), str(tmp_path / "mr.nii.gz"))
    words = ("mr.nii.gz", "--box", BOX, "-o", "o.nii.gz", "--quiet")
    ended = flareseg("prompt", *words, cwd=tmp_path)
    assert ended.returncode == 1
    assert "not a CT" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mr.nii.gz"]


APART = """
import sys, weakref
from FlareSegLib.command.main import main
from FlareSegLib.prompting import prompt_files, run

segment, write, held = run.segment_things, prompt_files.write_things, []

def segment_things(volume, *rest):
    assert "SimpleITK" not in sys.modules
    held.append(weakref.ref(volume.array))
    return segment(volume, *rest)

def write_things(*rest):
    assert held[0]() is None, "the CT is still there"
    write(*rest)

run.segment_things, prompt_files.write_things = segment_things, write_things
sys.exit(main(sys.argv[1:]))
"""


def test_simpleitk_and_the_ct_are_never_in_memory_together(scan, done, tmp_path):
    out = tmp_path / "lesion.seg.nrrd"
    words = ["prompt", str(scan), f"--box={BOX}", "-o", str(out), "--debug"]
    command = [sys.executable, "-c", APART, *words]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert out.read_bytes() == (done[0] / out.name).read_bytes()


STUCK = """
import sys
from FlareSegLib.command.main import main
from FlareSegLib.prompting import read_apart

read_apart._CHILD = (
    "import os, time, pathlib; pathlib.Path('reader').write_text(str(os.getpid())); "
    "time.sleep(600); print"
)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_reading_it_ends_the_reader_and_leaves_nothing(scan, tmp_path, number, code):
    words = ["prompt", str(scan), f"--box={BOX}", "-o", "lesion.nii.gz", "--quiet"]
    environment = {**ENVIRONMENT, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, *words],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        note = tmp_path / "reader"
        while not (note.is_file() and note.read_text()):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert len(said.strip().splitlines()) == 1, said
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    assert list(tmp_path.iterdir()) == [note]
