import json
import threading
from itertools import pairwise

import numpy as np
import pytest

from FlareSegLib.base.errors import Cancelled, InputError, OutputError
from FlareSegLib.base.geometry import IDENTITY, Grid, Volume
from FlareSegLib.base.job import Job, beside
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.progress import SHARES, Stopwatch
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.evaluation.metrics import dice_per_organ
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.inference.network import OnnxNetwork
from FlareSegLib.pipeline import segment, segment_file
from Testing.flare import BY_KEY, ORGANS
from Testing.phantoms import abdomen, organ_ml
from Testing.tiny_model import Failing, constant_model, threshold_model, write_model

SHAPE, SPACING_MM = (64, 100, 120), (5.0, 3.0, 3.2)
FLIPPED = tuple(tuple(-value for value in IDENTITY[axis]) for axis in (2, 0, 1))
RAW = RunOptions(clean=False, centre_first=False, runtime="onnxruntime")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return write_model(folder, threshold_model((32, 48, 48)), spacing_mm=SPACING_MM)


@pytest.fixture(scope="module")
def network(model):
    return OnnxNetwork(model, read_model_config(model), 1)


def write_ct(path, volume):
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    grid = volume.grid
    image.SetSpacing(grid.spacing_mm[::-1])
    image.SetOrigin(grid.origin)
    image.SetDirection(np.array(grid.direction)[::-1].T.ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


def test_a_phantom_is_segmented_on_its_own_grid(model, network):
    volume, truth = abdomen(SHAPE, SPACING_MM)
    result = segment(volume, network, read_model_config(model))
    assert result.labelmap.grid == volume.grid
    scores = dice_per_organ(truth.array, result.labelmap.array, ORGANS)
    assert min(scores.values()) > 0.97


def test_volumes_in_the_report_are_those_of_the_phantom(model, network):
    volume, _ = abdomen(SHAPE, SPACING_MM)
    rows = segment(volume, network, read_model_config(model)).report.organs
    liver = next(row for row in rows if row.key == "liver")
    assert liver.volume_ml == pytest.approx(organ_ml("liver", volume.grid.extent_mm), rel=0.05)
    assert liver.mean_hu == pytest.approx(72, abs=6)


def test_the_result_does_not_depend_on_the_orientation_of_the_file(model, network):
    config = read_model_config(model)
    straight, _ = abdomen(SHAPE, SPACING_MM)
    expected = segment(straight, network, config, RAW).labelmap.array
    # the same voxels laid out as (x, z, y), all reversed
    array = straight.array.transpose(2, 0, 1)[::-1, ::-1, ::-1]
    last = tuple(float(n - 1) for n in SHAPE)
    spacing_mm = (SPACING_MM[2], SPACING_MM[0], SPACING_MM[1])
    grid = Grid(array.shape, spacing_mm, straight.grid.to_world(last), FLIPPED)
    found = segment(Volume(array, grid), network, config, RAW).labelmap.array
    assert np.array_equal(found, expected.transpose(2, 0, 1)[::-1, ::-1, ::-1])


def test_the_result_does_not_depend_on_threads(model, network):
    volume, _ = abdomen(SHAPE, SPACING_MM, noise_hu=10)
    config = read_model_config(model)
    one, many = (
        segment(volume, network, config, RunOptions(threads=n)).labelmap.array for n in (1, 8)
    )
    assert np.array_equal(one, many)


def test_only_the_wanted_organs_are_written(model, network):
    volume, _ = abdomen(SHAPE, SPACING_MM)
    wanted = RunOptions(organs=("spleen", "liver"))
    result = segment(volume, network, read_model_config(model), wanted)
    assert set(np.unique(result.labelmap.array)) == {0, 1, 3}
    assert [row.key for row in result.report.organs] == ["liver", "spleen"]


def test_no_organ_is_written_but_flagged_loudly(tmp_path):
    folder = write_model(tmp_path / "model", constant_model((32, 48, 48)))
    volume, _ = abdomen(SHAPE, SPACING_MM)
    config = read_model_config(folder)
    result = segment(volume, OnnxNetwork(folder, config, 1), config)
    assert not result.labelmap.array.any()
    assert result.report.flags == ("no_organ_found",)
    assert result.report.facts["windows"]["skipped_centre"] > 0


def test_each_rule_can_be_switched_off_and_is_counted(model, network):
    patient, _ = abdomen(SHAPE, SPACING_MM)
    air = np.full((70, *SHAPE[1:]), -1000, np.int16)  # above the head
    array = np.concatenate([patient.array, air])
    volume = Volume(array, Grid(array.shape, SPACING_MM))
    config = read_model_config(model)

    def windows(**options):
        return segment(volume, network, config, RunOptions(**options)).report.facts["windows"]

    off = windows(skip_air=False, centre_first=False)
    assert off["run"] == off["planned"]
    no_air = windows(centre_first=False)
    assert no_air["skipped_air"] > 0
    assert no_air["run"] + no_air["skipped_air"] == no_air["planned"]
    assert windows(skip_air=False)["skipped_centre"] > 0


def test_all_files_of_a_job_are_written(tmp_path, model):
    volume, _ = abdomen(SHAPE, SPACING_MM)
    source = write_ct(tmp_path / "Bauch müller 腹.nii.gz", volume)
    out = tmp_path / "aus gabe" / "organs.seg.nrrd"
    job = Job(source, out, csv=beside(out, ".csv"), preview=beside(out, ".png"))
    pytest.importorskip("matplotlib", reason="extra preview is not installed")
    shares = []
    report = segment_file(job, model, RunOptions(), lambda step: shares.append(step.share))
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "organs.csv", "organs.png", "organs.report.json", "organs.seg.nrrd",
    ]  # fmt: skip
    facts = json.loads((out.parent / "organs.report.json").read_text(encoding="utf-8"))["run"]
    assert facts["input"] == source.name
    assert set(facts["seconds"]) == set(SHARES) - {"export"}
    assert facts["peak_memory_mib"] > 50
    assert shares == sorted(shares)
    assert len(report.organs) == 13


def test_reading_back_gives_the_grid_of_the_ct(tmp_path, model):
    angle = np.deg2rad(20)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    oblique = tuple(tuple(float(v) for v in row) for row in np.array(IDENTITY) @ turn.T)
    volume, _ = abdomen(SHAPE, SPACING_MM, direction=oblique)
    source = write_ct(tmp_path / "ct.nrrd", volume)
    segment_file(Job(source, tmp_path / "o.nii.gz"), model, RunOptions())
    import SimpleITK as sitk

    ct, labels = (sitk.ReadImage(str(tmp_path / name)) for name in ("ct.nrrd", "o.nii.gz"))
    assert labels.GetSize() == ct.GetSize()
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(labels, name)(), getattr(ct, name)(), atol=1e-4)


def test_bad_input_writes_nothing(tmp_path, model):
    (tmp_path / "ct.nii.gz").write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"ct\.nii\.gz"):
        segment_file(Job(tmp_path / "ct.nii.gz", tmp_path / "out" / "o.nii.gz"), model)
    assert sorted(path.name for path in tmp_path.rglob("*")) in (
        ["ct.nii.gz"],
        ["ct.nii.gz", "out"],
    )


def test_a_failed_read_leaves_no_thread_behind(tmp_path, model):
    before = threading.active_count()
    with pytest.raises(InputError):
        segment_file(Job(tmp_path / "missing.nii.gz", tmp_path / "o.nii.gz"), model)
    assert threading.active_count() == before


def test_an_unknown_extension_is_refused_before_the_ct_is_read(tmp_path, model):
    with pytest.raises(OutputError, match=r"\.xyz"):
        segment_file(Job(tmp_path / "missing.nii.gz", tmp_path / "o.xyz"), model)


@pytest.mark.parametrize("name", sorted(set(SHARES) - {"preview"}))
def test_a_run_stopped_in_any_step_writes_no_labelmap_or_report(tmp_path, model, name):
    volume, _ = abdomen(SHAPE, SPACING_MM)
    source = write_ct(tmp_path / "ct.nii.gz", volume)

    def stop(step):
        if step.name == name:
            raise Cancelled("stopped")

    job = Job(source, tmp_path / "out" / "o.nii.gz", extras=("names", "split"))
    with pytest.raises(Cancelled):
        segment_file(job, model, RunOptions(), stop)
    assert not list(tmp_path.rglob("o[._]*"))


def test_a_failing_network_writes_nothing(tmp_path, model, monkeypatch):
    volume, _ = abdomen(SHAPE, SPACING_MM)
    source = write_ct(tmp_path / "ct.nii.gz", volume)
    monkeypatch.setattr("FlareSegLib.pipeline.load_network", lambda *_: Failing(on_call=2))
    with pytest.raises(RuntimeError, match="on purpose"):
        segment_file(Job(source, tmp_path / "o.nii.gz"), model, RunOptions(centre_first=False))
    assert not list(tmp_path.rglob("o.*"))


def test_steps_are_timed_and_shares_join_up():
    watch = Stopwatch()
    with watch.step("read"):
        pass
    assert 0 <= watch.seconds["read"] < 1
    ends = [SHARES[name] for name in SHARES]
    assert ends[0][0] == 0
    assert ends[-1][1] == 1
    assert all(a[1] == b[0] for a, b in pairwise(ends))


def test_labels_written_and_read_again_are_the_same(tmp_path):
    _, truth = abdomen(SHAPE, SPACING_MM)
    write_labelmap(truth, tmp_path / "truth.nrrd")
    import SimpleITK as sitk

    assert np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "truth.nrrd"))), truth.array
    )
    assert BY_KEY["liver"].value == 1
    with pytest.raises(InputError):
        read_volume(tmp_path / "truth.nrrd")


def test_sides_are_judged_with_all_organs_even_if_one_is_asked_for(model, network):
    volume, _ = abdomen(SHAPE, SPACING_MM)
    mirrored = Volume(volume.array[:, :, ::-1], volume.grid)
    wanted = RunOptions(organs=("right_kidney",))
    (row,) = segment(mirrored, network, read_model_config(model), wanted).report.organs
    assert "wrong_side" in row.flags


def test_memory_is_judged_once_before_the_run_takes_it(tmp_path, model, monkeypatch):
    from FlareSegLib import pipeline

    volume, _ = abdomen(SHAPE, SPACING_MM)
    source, asked = write_ct(tmp_path / "ct.nii.gz", volume), []

    def threads_for(*args):
        asked.append(args)
        return 1

    monkeypatch.setattr(pipeline, "threads_for", threads_for)
    report = segment_file(Job(source, tmp_path / "o.nii.gz"), model, RunOptions())
    assert len(asked) == 1
    assert report.facts["threads"] == 1
