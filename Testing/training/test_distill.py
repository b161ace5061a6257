import csv
import dataclasses
import sys
import warnings

import onnx
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("torchio", reason="extra train is not installed")

from FlareSegLib.base.errors import ModelError, OutputError  # noqa: E402
from Testing.flare import ORGANS  # noqa: E402
from Testing.tiny_model import HU_MEAN, HU_RANGE, HU_SD, threshold_model  # noqa: E402
from Testing.training.little import a_run  # noqa: E402
from Testing.training.small import SPACING_MM, a_config, write_cases  # noqa: E402
from training import distill  # noqa: E402
from training.cases import index, store  # noqa: E402
from training.config import Config  # noqa: E402
from training.loop import checkpoint  # noqa: E402
from training.loop.optimizer import Muon, orthogonalized  # noqa: E402
from training.patches import teachers  # noqa: E402
from training.patches.teachers import channels_of  # noqa: E402
from training.sections import Distill, Student, Teacher  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distill")
    write_cases(a_config(folder), ["a", "b"])
    return folder


def changed(config: Config, tmp_path, **sections) -> Config:
    """The config with another work folder that holds the same cases."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    for name in ("ct", "soft", "labels"):
        if not (work / name).exists():
            (work / name).symlink_to(config.work / name)
    return dataclasses.replace(config, work=work, **sections)


def rows_of(config):
    with (config.work / "distill" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def weights_of(config):
    state = checkpoint.load(config.work / "distill" / "checkpoint.pt")
    return torch.cat([value.ravel().float() for value in state["average"].values()])


def test_the_stage_writes_metrics_and_refuses_to_overwrite_a_run(folder, tmp_path, capsys):
    config = changed(a_config(folder), tmp_path)
    distill.main(config)
    rows = rows_of(config)
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert {"divergence", "dice", "seconds", "waited", "rate"} <= set(rows[0])
    with pytest.raises(OutputError, match="--resume"):
        distill.main(config)
    capsys.readouterr()


def test_a_stopped_stage_ends_as_one_that_was_not_stopped(folder, tmp_path, monkeypatch, capsys):
    straight = changed(a_config(folder), tmp_path)
    distill.main(straight)
    (tmp_path / "other").mkdir()
    stopped = changed(straight, tmp_path / "other")
    from training.loop import loop

    step, count = loop.train_step, []

    def interrupted(*given):
        count.append(1)
        if len(count) == 7:
            raise KeyboardInterrupt
        return step(*given)

    monkeypatch.setattr(loop, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        distill.main(stopped)
    monkeypatch.setattr(loop, "train_step", step)
    distill.main(stopped, resume=True)
    assert torch.equal(weights_of(stopped), weights_of(straight))
    told = [
        {k: v for k, v in row.items() if k not in ("seconds", "waited")} for row in rows_of(stopped)
    ]
    assert told == [
        {k: v for k, v in row.items() if k not in ("seconds", "waited")}
        for row in rows_of(straight)
    ]
    capsys.readouterr()


def test_a_resumed_run_needs_the_config_it_began_with(folder, tmp_path, capsys):
    config = changed(a_config(folder), tmp_path)
    distill.main(config)
    other = dataclasses.replace(config, distill=Distill(temperature=2))
    with pytest.raises(ModelError, match=r"distill.temperature was 1.0, is 2"):
        distill.main(other, resume=True)
    capsys.readouterr()


def test_an_onnx_teacher_labels_every_patch_anew(folder, tmp_path, capsys):
    path = tmp_path / "teacher.onnx"
    onnx.save(threshold_model((16, 32, 32)), path)
    facts = {
        "name": "t", "version": "0", "spacing_mm": list(SPACING_MM), "window": [16, 32, 32],
        "hu_range": list(HU_RANGE), "hu_mean": HU_MEAN, "hu_sd": HU_SD,
        "labels": [organ.key for organ in ORGANS],
    }  # fmt: skip
    config = changed(
        a_config(folder, distill=Distill(hard=0.3, stored=0, live=0.7)), tmp_path,
        teacher=Teacher(onnx=path, facts=facts),
    )  # fmt: skip
    teacher = distill.onnx_teacher(config)()
    said = teacher(torch.full((16, 32, 32), HU_MEAN + HU_SD * 3)).logits
    assert (said.argmax(0) == 3).all()
    distill.main(config)
    assert len(rows_of(config)) == 8
    capsys.readouterr()


def test_the_second_round_learns_from_the_student_of_the_first(folder, tmp_path, capsys):
    first = changed(a_config(folder), tmp_path)
    distill.main(first)
    (tmp_path / "second").mkdir()
    second = changed(
        first, tmp_path / "second",
        student=Student(channels=(8, 8), blocks=(1, 1), z_dilation=(1, 1)),
        distill=Distill(
            hard=0, stored=0, live=1, features=0.5,
            from_student=first.work / "distill" / "checkpoint.pt",
        ),
    )  # fmt: skip
    distill.main(second)
    assert float(rows_of(second)[0]["features"]) > 0
    capsys.readouterr()


def test_features_need_a_teacher_that_shows_its_inside(folder, tmp_path):
    onnx_alone = Teacher(onnx=tmp_path / "t.onnx", facts={"name": "t"})
    config = changed(a_config(folder), tmp_path, distill=Distill(features=0.5), teacher=onnx_alone)
    with pytest.raises(ValueError, match="train a teacher"):
        distill.main(config)


def test_validation_cases_are_looked_at_and_never_trained_on(folder, tmp_path, monkeypatch, capsys):
    config = a_config(folder)
    config = changed(
        config, tmp_path, data=dataclasses.replace(config.data, val=("b",)),
        train=dataclasses.replace(config.train, val_steps=4),
    )  # fmt: skip
    index.write_index(
        config.work,
        [
            index.Entry(name, name, side, (True,) * 14, "")
            for name, side in (("a", "train"), ("b", "val"))
        ],
    )
    store.save_truth(config.work, "b", store.load_labels(config.work, "b"))
    seen = set()
    from training.loop import loop

    step = loop.train_step
    monkeypatch.setattr(
        loop,
        "train_step",
        lambda run, batch: (seen.update(batch.names), step(run, batch))[1],
    )
    distill.main(config)
    assert seen == {"a"}
    assert [row["step"] for row in rows_of(config) if row["val_dsc"]] == ["4", "8"]
    capsys.readouterr()


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path, run = tmp_path / "checkpoint.pt", a_run()
    checkpoint.save(path, run.state())
    before = path.read_bytes()

    def full(state, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="disk is full"):
        checkpoint.save(path, run.state())
    assert path.read_bytes() == before


def test_orthogonalized_keeps_directions_and_evens_out_lengths():
    torch.manual_seed(0)
    for shape in ((8, 30), (30, 8)):
        matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -2, shape[1]))
        values = torch.linalg.svdvals(orthogonalized(matrix))
        assert values.max() < 1.3
        assert values.median() > 0.6


def test_muon_takes_convolutions_inside_and_adamw_the_rest():
    run = a_run()
    muon, adamw = run.optimizers
    assert isinstance(muon, Muon)
    inner = {id(p) for p in muon.param_groups[0]["params"]}
    names = {name for name, p in run.parameters() if id(p) in inner}
    assert "stem.conv.weight" in names
    assert not any("head" in name or "norm" in name for name in names)
    assert len(inner) + len(adamw.param_groups[0]["params"]) == len(run.parameters())


def test_features_inside_an_onnx_file_can_be_distilled(folder, tmp_path, capsys):
    """Paper 1 with a published teacher: two tensors of its graph are named as encoder levels."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv3d(1, 4, 3, 2, 1), torch.nn.Conv3d(4, 6, 3, 2, 1),
        torch.nn.Upsample(scale_factor=4), torch.nn.Conv3d(6, 14, 1),
    )  # fmt: skip
    path = tmp_path / "teacher.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(1, 1, 16, 32, 32),), path, dynamo=True, external_data=False
        )
    names = tuple(node.output[0] for node in onnx.load(path).graph.node if node.op_type == "Conv")
    facts = {
        "name": "t", "version": "0", "spacing_mm": list(SPACING_MM), "window": [16, 32, 32],
        "hu_range": list(HU_RANGE), "hu_mean": HU_MEAN, "hu_sd": HU_SD,
        "labels": [organ.key for organ in ORGANS],
    }  # fmt: skip
    assert channels_of(path, names[:2]) == (4, 6)
    with pytest.raises(ValueError, match=r"teacher.features \['x'\]"):
        channels_of(path, ("x",))
    config = changed(
        a_config(folder, distill=Distill(features=0.5, attention=1.0)), tmp_path,
        teacher=Teacher(onnx=path, facts=facts, features=names[:2]),
    )  # fmt: skip
    scene = torch.randn(16, 32, 32) * 50
    said = distill.onnx_teacher(config)()(scene)
    with torch.no_grad():
        first = network[0](((scene - HU_MEAN) / HU_SD)[None, None])[0]
    assert torch.allclose(said.features[0], first, atol=0.05)
    assert said.features[1].shape == (6, 4, 8, 8)
    distill.main(config)
    assert float(rows_of(config)[0]["features"]) > 0
    capsys.readouterr()


def test_onnxruntime_takes_the_place_of_openvino_at_the_shape_of_the_window(tmp_path, monkeypatch):
    from FlareSegLib.base.config import ModelConfig

    path = tmp_path / "teacher.onnx"
    onnx.save(threshold_model((16, 32, 32)), path)
    facts = ModelConfig(
        "t", "0", "0" * 64, SPACING_MM, (16, 32, 32), tuple(organ.key for organ in ORGANS),
        HU_RANGE, HU_MEAN, HU_SD,
    )  # fmt: skip
    scene = torch.full((16, 32, 32), HU_MEAN + HU_SD * 5)
    expected = teachers.OnnxTeacher(path, facts, (16, 32, 32))(scene).logits
    monkeypatch.setitem(sys.modules, "openvino", None)
    found = teachers.OnnxTeacher(path, facts, (16, 32, 32))(scene).logits
    assert torch.equal(found.argmax(0), expected.argmax(0))
    with pytest.raises(ValueError, match="pip install openvino"):
        teachers.OnnxTeacher(path, facts, (16, 32, 64))
