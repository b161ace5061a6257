"""What runs on a GPU, tried on the CPU: packs, patches, teacher, targets, students, a run."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from FlareSegLib.inference.student import FlatConv, Student, StudentConfig  # noqa: E402
from Testing.phantoms import abdomen  # noqa: E402
from Testing.training.gpu.little_teacher import CHANNELS, SHOWN, write_teacher  # noqa: E402
from training.gpu import augment, learn, means, offsets, pack, store, teacher, train  # noqa: E402
from training.networks.slices import dilate_little  # noqa: E402
from training.sections import Train  # noqa: E402

SMALL = StudentConfig((4, 8, 12), (1, 1, 1), (1, 1, 2))
DEEPER = StudentConfig((4, 8, 12), (1, 1, 2), (1, 1, 2))
WIDER = StudentConfig((8, 16, 24), (1, 1, 1), (1, 1, 2))


def a_student(sizes: StudentConfig = SMALL) -> Student:
    torch.manual_seed(0)
    student = Student(sizes)
    for module in student.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return student.eval()


def a_volume() -> torch.Tensor:
    return torch.randn(1, 1, 16, 32, 32, generator=torch.Generator().manual_seed(1))


def test_packed_soft_tissue_is_within_two_hu() -> None:
    hu = np.arange(-40, 300, dtype=np.int16)
    assert np.abs(pack.LEVELS[pack.to_levels(hu)] - hu).max() <= 2


def test_packed_bytes_come_back(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (3, 4, 5)).astype(np.uint8)
    (tmp_path / "a.xz").write_bytes(pack.packed(array))
    np.testing.assert_array_equal(pack.unpacked(tmp_path / "a.xz", array.shape), array)


def test_chest_and_legs_are_cut_off() -> None:
    labels = np.zeros((400, 2, 2), np.uint8)
    labels[200:220], labels[220:] = 1, 10  # an esophagus does not keep the chest
    assert pack.reach(labels) == slice(120, 278)


def a_case(value: int = 1) -> store.GpuCase:
    labels = np.zeros((40, 48, 48), np.uint8)
    z, y, x = np.indices(labels.shape)
    labels[(z - 20) ** 2 + (y - 24) ** 2 + (x - 24) ** 2 < 49] = value
    levels = np.random.default_rng(0).integers(0, 100, labels.shape).astype(np.uint8)
    return store.to_case("a", levels, labels, torch.device("cpu"))


def a_drawer(case: store.GpuCase, shape: tuple[int, int, int] = (16, 16, 16)) -> store.Drawer:
    return store.Drawer([case], torch.arange(256.0), shape, 0, {})


def test_patch_that_nothing_is_done_to_is_part_of_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    for share in ("AFFINE", "BENDING", "SWELLING"):
        monkeypatch.setattr(store, share, 0.0)
    case = a_case()
    drawer = a_drawer(case)
    monkeypatch.setattr(drawer, "_place", lambda: (case, np.array([19.5, 23.5, 21.5])))
    cut = drawer.draw(1)
    box = (slice(12, 28), slice(16, 32), slice(14, 30))
    torch.testing.assert_close(cut.hu[0], case.levels[box].float(), atol=1e-2, rtol=0)
    assert torch.equal(cut.labels[0], case.labels[box].long())


def test_gallbladder_can_grow_to_more_than_twice_its_volume(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = a_case(9)
    drawer = a_drawer(case, (32, 40, 40))
    for share, value in {"AFFINE": 0.0, "BENDING": 0.0, "SWELLING": 1.0}.items():
        monkeypatch.setattr(store, share, value)
    monkeypatch.setattr(drawer, "_place", lambda: (case, np.array([20.0, 24.0, 24.0])))
    volumes = [int((drawer.draw(1).labels == 9).sum()) for _ in range(12)]
    before = int((case.labels == 9).sum())
    assert max(volumes) > 2 * before
    assert min(volumes) < 0.7 * before


def test_changes_leave_shape_and_no_holes() -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 14, (3, 16, 32, 32))
    cut = augment.mixed(store.Cut(torch.randn(3, 16, 32, 32) * 100, labels))
    seen = augment.degraded(augment.scene(cut), cut.labels)
    assert seen.shape == labels.shape
    assert bool(seen.isfinite().all())


def test_tone_is_monotone() -> None:
    torch.manual_seed(0)
    hu = torch.linspace(-500, 900, 2048).view(1, 8, 16, 16).repeat(4, 1, 1, 1)
    assert bool((augment.tone(hu).flatten(1).diff(dim=1) > 0).all())


def test_teacher_says_what_onnxruntime_says(tmp_path: Path) -> None:
    path = tmp_path / "teacher.onnx"
    write_teacher(path, (16, 32, 32))
    made = teacher.GpuTeacher(path, SHOWN, torch.device("cpu"))
    hu = torch.randn(16, 32, 32, generator=torch.Generator().manual_seed(0)) * 150
    assert teacher.difference(path, made, hu) < 1e-3
    assert [f.shape[1] for f in made(hu[None]).features] == [4, 4, 4, 4]


def test_teacher_on_a_cpu_says_what_onnxruntime_says(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = tmp_path / "teacher.onnx"
    write_teacher(path, (16, 32, 32))
    made = teacher.CpuTeacher(path, SHOWN, (16, 32, 32))
    hu = torch.randn(2, 16, 32, 32, generator=torch.Generator().manual_seed(0)) * 150
    assert teacher.difference(path, made, hu[0]) < 0.05  # bfloat16 where the processor has it
    plain = teacher.GpuTeacher(path, SHOWN, torch.device("cpu"))(hu)
    said = made(hu)
    assert [f.shape for f in said.features] == [f.shape for f in plain.features]
    assert float((said.logits[1] - plain.logits[1]).abs().mean()) < 0.02 * float(
        plain.logits[1].max() - plain.logits[1].min()
    )


def test_student_with_a_block_more_begins_as_it_was() -> None:
    student = a_student()
    deeper = Student(DEEPER).eval()
    deeper.load_state_dict(learn.deepened(student.state_dict(), SMALL, DEEPER))
    torch.testing.assert_close(deeper(a_volume()), student(a_volume()))


def test_student_of_twice_the_width_begins_as_it_was() -> None:
    student = a_student()
    wider = Student(WIDER).eval()
    wider.load_state_dict(learn.widened(student.state_dict(), noise=0.0))
    torch.testing.assert_close(wider(a_volume()), student(a_volume()), rtol=1e-3, atol=1e-4)


def test_convolution_on_slices_is_that_of_the_student() -> None:
    layer = FlatConv(3, 3, z_dilation=2).eval()
    flat = torch.randn(1, 3, 6 * 5, 7)
    expected = layer(flat, 5)
    dilate_little(layer)
    assert "forward" in vars(layer)
    torch.testing.assert_close(layer(flat, 5), expected)


def a_lesson(labels: torch.Tensor) -> learn.Lesson:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 14, 16, 32, 32, generator=generator)
    return learn.lesson(a_volume(), labels, logits, (), 3)


def test_unknown_region_teaches_nothing() -> None:
    labels = torch.zeros(1, 16, 32, 32, dtype=torch.long)
    labels[:, :8] = 1
    labels[:, :, :16] = pack.UNKNOWN
    made = a_lesson(labels)
    assert float(made.weight[:, :, :, :8].max()) == 0
    assert float(made.weight[:, :, :, 8:].min()) > 0
    there = torch.zeros(1, 14, 8, 16, 16, requires_grad=True)
    learn.losses(there, (), made).sum().backward()
    assert there.grad is not None
    assert float(there.grad[:, :, :, :7].abs().max()) == 0  # interpolation reaches one cell
    assert float(there.grad[:, :, :, 9:].abs().max()) > 0


def test_targets_are_probabilities_and_weigh_places_near_organs_more() -> None:
    labels = torch.zeros(1, 16, 32, 32, dtype=torch.long)
    labels[:, :, :4, :4] = 5
    made = a_lesson(labels)
    torch.testing.assert_close(made.target.sum(dim=1), torch.ones(1, 8, 16, 16))
    assert float(made.weight[..., 0, 0].min()) == 1 + learn.NEAR_WEIGHT
    assert float(made.weight[..., 15, 15].max()) == 1


def test_mean_of_parts_is_the_mean(tmp_path: Path) -> None:
    states = [{"a": torch.full((3,), float(i))} for i in range(4)]
    first = {"model": {"a": torch.zeros(3), "n": torch.tensor(7)}, "means": states[:2]}
    torch.save(first, tmp_path / "one.pt")
    torch.save({"means": states[2:]}, tmp_path / "two.pt")
    found = means.weights([tmp_path / "one.pt", tmp_path / "two.pt"], [1, 3])
    assert found["a"].tolist() == [2.0, 2.0, 2.0]
    assert int(found["n"]) == 7


def packs(folder: Path) -> None:
    """Write two phantoms as packs."""
    found = []
    for seed in range(2):
        volume, truth = abdomen((24, 48, 48), (8.0, 5.0, 6.0), noise_hu=5, seed=seed)
        levels = pack.to_levels(volume.array.astype(np.int16))
        found.append((f"p{seed}", levels.shape, pack.packed(levels), pack.packed(truth.array)))
    pack.write(found, folder)
    (folder / "labels" / "weights.json").write_text(json.dumps({"p1": 0.5}))


@pytest.mark.slow
def test_run_writes_students_that_load_and_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs(tmp_path)
    write_teacher(tmp_path / "teacher.onnx", (16, 32, 32))
    torch.save(a_student().state_dict(), tmp_path / "start.pt")
    monkeypatch.setattr(train, "SHOWN", SHOWN)
    monkeypatch.setattr(train, "CHANNELS", CHANNELS)
    monkeypatch.setattr(train, "SHIPPED", SMALL)
    monkeypatch.setattr(
        train, "STUDENTS", {"deep": (DEEPER, 0.006, 2, 2), "wide": (WIDER, 0.006, 2, 1)}
    )
    told = (
        f"train --packs {tmp_path}/pack_a {tmp_path}/pack_b --labels {tmp_path}/labels --check "
        f"--teacher {tmp_path}/teacher.onnx --start {tmp_path}/start.pt --out {tmp_path}/out "
        "--students deep wide --patch 16 32 32 --batch 2 --device cpu --steps 4 --timed"
    )
    monkeypatch.setattr(sys, "argv", told.split())
    train.main()
    monkeypatch.setattr(sys, "argv", [*told.split(), "--resume"])
    train.main()
    state = torch.load(tmp_path / "out" / "deep.pt", weights_only=True)
    assert state["step"] == 8
    found = means.weights([tmp_path / "out" / "wide.pt", tmp_path / "out" / "wide_0.pt"], [0])
    Student(WIDER).load_state_dict(found)


def test_running_means_stay_where_they_are_to_be_kept() -> None:
    made = learn.Learner(
        "deep", SMALL, a_student().state_dict(), CHANNELS, Train(), torch.device("cpu")
    )
    made.keep_statistics()
    before = {k: v.clone() for k, v in made.model.state_dict().items() if "running" in k}
    made.model.features(torch.randn(1, 1, 8, 16, 16))
    after = made.model.state_dict()
    assert before
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_offsets_give_organs_the_volume_of_their_labels() -> None:
    torch.manual_seed(0)
    logits, labels = [], []
    for _ in range(3):
        said = torch.randn(4000, learn.CLASSES)
        there = (said + torch.tensor([0.0, -0.7, 0.4, *[0.0] * 11])).argmax(1)
        logits.append(said)
        labels.append(torch.nn.functional.one_hot(there, learn.CLASSES).float())
    found = offsets.fitted(logits, labels)
    assert found[0] == 0
    assert found[1].item() == pytest.approx(-0.7, abs=0.05)
    assert found[2].item() == pytest.approx(0.4, abs=0.05)
    assert found[3:].abs().max() < 0.05


def test_offset_of_an_organ_on_no_ct_is_nought() -> None:
    said = torch.randn(500, learn.CLASSES)
    labels = torch.nn.functional.one_hot(torch.zeros(500).long(), learn.CLASSES).float()
    assert not offsets.fitted([said], [labels])[5]


def test_cells_are_those_near_organs_and_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "SHARE", 1.0)
    monkeypatch.setattr(offsets, "SURE", 0.0)
    case = a_case(1)
    case.labels[:4] = store.UNKNOWN
    student = Student(replace(SMALL, classes=learn.CLASSES)).eval()
    said, shares = zip(*offsets.cells(student, case, torch.linspace(-900, 300, 256)), strict=True)
    wanted = offsets._of_cells((case.labels == 1).float()[None])[0][2:]
    assert torch.cat(said).shape == torch.cat(shares).shape
    assert torch.cat(shares)[:, 1].sum() == wanted[wanted > 0].sum()
    assert torch.cat(shares).sum(1).allclose(torch.ones(()))
