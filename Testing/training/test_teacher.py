"""The teacher stage: learns from labels of all or of some organs, or is an ONNX file."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("torchio", reason="extra train is not installed")

from FlareSegLib.base.errors import InputError, ModelError, OutputError  # noqa: E402
from Testing.training.small import a_config  # noqa: E402
from Testing.training.world import truth, with_data, with_teacher, write_case  # noqa: E402
from training import prepare, pseudo_label, teacher  # noqa: E402
from training.cases.store import load_labels  # noqa: E402
from training.loop import checkpoint  # noqa: E402
from training.sections import Augment, PseudoLabel, Teacher, Train  # noqa: E402

pytestmark = pytest.mark.torch
TRAIN = Train(
    patch=(16, 32, 32), steps=4, optimizer="adamw", learning_rate=0.01, log_steps=2,
    checkpoint_steps=2, val_steps=4, decay_share=0.5, device="cpu", half_precision=False,
)  # fmt: skip


def a_teacher_config(folder, **changes):
    small = Teacher(channels=(4, 8), blocks=1, deep_supervision=1, train=TRAIN)
    config = a_config(folder, teacher=dataclasses.replace(small, **changes))
    return dataclasses.replace(config, augment=Augment(affine=0.0, bending=0.0))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = a_teacher_config(tmp_path_factory.mktemp("teacher"))
    for case in ("a", "b", "part_c"):
        write_case(config.data.cases, case, labels=truth())
    write_case(config.data.cases, "none")
    config = with_data(config, val=("b",), partial={"part_": ("liver",)})
    prepare.main(config)
    teacher.main(config)
    return config


def test_it_writes_a_checkpoint_and_metrics_with_the_validation_dsc(config):
    rows = (config.work / "teacher" / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0].split(",")[:2] == ["step", "supervised"]
    assert "val_dsc" in rows[0]
    assert [row.split(",")[0] for row in rows[1:]] == ["2", "4", "4"]
    state = checkpoint.load(config.work / "teacher" / "checkpoint.pt")
    assert state["schedule"]["step"] == 4
    assert not any("aux" in name for name in state["average"])


def test_it_learns_from_labelled_training_cases_alone_each_for_what_it_tells(config):
    found = {case.name: case.known for case in teacher.labelled(config)}
    assert set(found) == {"a", "part_c"}
    assert all(found["a"])
    assert [i for i, known in enumerate(found["part_c"]) if known] == [0, 1]


@pytest.mark.slow
def test_it_can_learn_from_the_completed_labels_in_a_second_step(config, tmp_path):
    pseudo_label.main(dataclasses.replace(config, pseudo_label=PseudoLabel(flips=((),))))
    second = dataclasses.replace(config.teacher, name="second", learns_from="labels")
    second = dataclasses.replace(config, teacher=second)
    assert {c.name for c in teacher.labelled(second)} == {"a", "none", "part_c"}
    assert all(all(case.known) for case in teacher.labelled(second))
    labels = load_labels(config.work, "part_c")
    assert np.array_equal(labels == 1, truth_of(config, "part_c") == 1)


def truth_of(config, case):
    from training.cases.store import load_truth

    return load_truth(config.work, case)


def test_a_second_run_does_not_overwrite_the_first(config):
    with pytest.raises(OutputError, match="give --resume to go on"):
        teacher.main(config)


def test_resume_refuses_other_settings_by_name(config):
    train = dataclasses.replace(TRAIN, learning_rate=0.5, log_steps=1)
    other = dataclasses.replace(config, teacher=dataclasses.replace(config.teacher, train=train))
    with pytest.raises(ModelError, match=r"teacher\.train\.learning_rate was 0\.01, is 0\.5\)"):
        teacher.main(other, resume=True)  # log_steps may differ, so it is not named


def test_without_a_label_there_is_nothing_to_learn(tmp_path):
    config = a_teacher_config(tmp_path)
    write_case(config.data.cases, "a")
    prepare.main(config)
    with pytest.raises(InputError, match="none of the training cases"):
        teacher.main(config)


def test_an_onnx_teacher_is_checked_and_not_trained(tmp_path, capsys):
    config = with_teacher(tmp_path)
    teacher.main(config)
    assert "it loads, nothing is trained" in capsys.readouterr().out
    gone = dataclasses.replace(config.teacher, onnx=tmp_path / "gone.onnx")
    with pytest.raises(ModelError, match=r"gone\.onnx: give the file"):
        teacher.main(dataclasses.replace(config, teacher=gone))
