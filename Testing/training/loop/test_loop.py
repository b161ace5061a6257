import csv
import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("torchio", reason="extra train is not installed")

from FlareSegLib.base.errors import ModelError  # noqa: E402
from Testing.training.little import (  # noqa: E402
    PATCH,
    SMALL,
    VIEW,
    a_case,
    a_run,
    a_train,
    some_patches,
)
from training.cases.run_folder import RunFolder  # noqa: E402
from training.config import Config  # noqa: E402
from training.loop import loop, validate  # noqa: E402
from training.loop.run import Run  # noqa: E402
from training.losses import objective  # noqa: E402
from training.machine import device  # noqa: E402
from training.networks.build import new_student, new_teacher  # noqa: E402
from training.patches import loader  # noqa: E402
from training.patches.loader import Order, Samples  # noqa: E402
from training.patches.teachers import Said, TorchTeacher  # noqa: E402
from training.sections import Distill, Student, Teacher  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def patches():
    return some_patches("a", "b")


def samples_of(patches, losses=None, **more):
    return Samples(patches, patches, losses or Distill(), **more)


def weights(run):
    return torch.cat([p.detach().ravel() for _, p in run.parameters()])


def steps(run, samples, count, teacher=None):
    found = []
    stream = loop.orders(run, 2, 0, 0.0)
    for _ in range(count):
        batch = loop.labelled(samples[next(stream)], teacher, run)
        found.append(loop.train_step(run, batch))
    return found


@pytest.mark.parametrize(
    ("kind", "losses"),
    [
        ("flat", Distill()),
        ("flat", Distill(hard=1, stored=0, divergence=0, dice=0, supervised=1)),
        ("flat", Distill(temperature=3, deep_supervision=1)),
        ("light", Distill(deep_supervision=1, supervised=0.3)),
    ],
)
def test_steps_lower_the_loss(patches, kind, losses):
    torch.manual_seed(0)
    network = new_student(dataclasses.replace(SMALL, kind=kind), 14)
    run = Run(network, 14, a_train(warmup_share=0.0, decay_share=0.0), losses)
    one = samples_of(patches, losses)[Order((5, 6), is_easy=False)]
    found = [sum(loop.train_step(run, one).values()) for _ in range(15)]
    assert found[-1] < 0.9 * found[0]


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "sgd"])
def test_every_optimizer_learns(patches, optimizer):
    rate = {"muon": 0.02, "adamw": 0.005, "sgd": 0.01}[optimizer]
    run = a_run(a_train(optimizer=optimizer, learning_rate=rate, clip_norm=1.0, warmup_share=0.0))
    one = samples_of(patches)[Order((5, 6), is_easy=False)]
    found = [sum(loop.train_step(run, one).values()) for _ in range(20)]
    assert found[-1] < 0.9 * found[0]


def test_the_gradient_is_clipped(patches):
    run = a_run(a_train(clip_norm=1e-3))
    steps(run, samples_of(patches), 1)
    norm = torch.stack([p.grad.norm() for _, p in run.parameters()]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_resume_gives_the_same_as_not_having_stopped(patches):
    samples = samples_of(patches)
    straight, first = a_run(), a_run()
    steps(straight, samples, 6)
    steps(first, samples, 3)
    second = a_run()
    second.load(first.state())
    assert second.step == 3
    steps(second, samples, 3)
    assert torch.equal(weights(second), weights(straight))
    for one, two in zip(
        second.average.state_dict().values(), straight.average.state_dict().values(), strict=True
    ):
        assert torch.equal(one, two)


def test_the_average_is_the_mean_of_the_weights_from_its_share_of_the_schedule_on(patches):
    run, samples, seen = a_run(a_train(steps=8, average_from=0.25)), samples_of(patches), []
    stream = loop.orders(run, 2, 0, 0.0)
    for _ in range(6):
        loop.train_step(run, loop.labelled(samples[next(stream)], None, run))
        seen.append({name: p.detach().clone() for name, p in run.model.named_parameters()})
    for name, mean in run.average.named_parameters():
        expected = torch.stack([weights[name] for weights in seen[2:]]).mean(dim=0)
        assert torch.allclose(mean, expected, atol=1e-6), name


def test_orders_go_on_where_a_run_stands_and_begin_with_easy_cases():
    run = a_run(a_train(steps=10))
    stream = loop.orders(run, 3, 7, 0.4)
    whole = [next(stream) for _ in range(6)]
    run.schedule.step = 2
    assert next(loop.orders(run, 3, 7, 0.4)) == whole[2]
    assert [order.is_easy for order in whole] == [True] * 4 + [False] * 2
    seeds = [seed for order in whole for seed in order.seeds]
    assert len(set(seeds)) == 18


def test_easy_orders_draw_from_easy_cases_alone():
    easy, hard = some_patches("easy"), some_patches("hard")
    samples = Samples(hard, easy, Distill())
    assert samples[Order((1, 2), is_easy=True)].names == ("easy", "easy")
    assert samples[Order((1, 2), is_easy=False)].names == ("hard", "hard")


def test_a_loss_that_is_no_number_stops_before_the_weights_change_and_names_the_cases(patches):
    run = a_run()
    before = weights(run)
    batch = samples_of(patches)[Order((1, 2), is_easy=False)]
    broken = dataclasses.replace(batch, images=batch.images * float("nan"))
    with pytest.raises(ModelError, match=r"nan at step 0, cases [ab], [ab]"):
        loop.train_step(run, broken)
    assert torch.equal(weights(run), before)


def test_only_the_case_with_the_broken_image_is_named(patches):
    batch = samples_of(patches)[Order((1, 2), is_easy=False)]
    images = batch.images.clone()
    images[1, 0, 2, 3, 4] = float("nan")
    broken = dataclasses.replace(batch, images=images, names=("sound", "broken"))
    with pytest.raises(ModelError, match=r"cases broken:"):
        loop.train_step(a_run(), broken)


def test_fit_writes_metrics_and_a_checkpoint_and_ends_with_the_schedule(patches, tmp_path, capsys):
    run = a_run(a_train(steps=5, val_steps=2))
    folder = RunFolder(Config(work=tmp_path), "student")
    loop.fit(run, loop.Supply(samples_of(patches)), folder, {}, validate=lambda run: run.step / 10)
    assert run.is_done
    assert run.step == 5
    state = torch.load(folder.path / "checkpoint.pt", weights_only=True)
    assert state["schedule"]["best"] == pytest.approx(0.4)
    with (folder.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows if row["divergence"]] == list("12345")
    assert all(float(row["waited"]) >= 0 for row in rows if row["divergence"])
    assert [float(row["val_dsc"]) for row in rows if row["val_dsc"]] == [0.2, 0.4]
    capsys.readouterr()


def test_worker_processes_give_the_same_batches(patches):
    samples = samples_of(patches)
    orders = [Order((i, i + 1), is_easy=False) for i in range(3)]
    here, there = (list(loader.batches(samples, orders, workers)) for workers in (0, 1))
    assert all(
        torch.equal(a.images, b.images) and torch.equal(a.target, b.target)
        for a, b in zip(here, there, strict=True)
    )


class Organ:
    """A live teacher that calls every voxel liver."""

    def __call__(self, hu):
        liver = torch.ones(hu.shape, dtype=torch.long)
        return Said(torch.nn.functional.one_hot(liver, 14).movedim(-1, 0) * 20.0)


def test_a_live_teacher_labels_the_same_augmented_patch(patches):
    seen = []

    class Listening(Organ):
        def __call__(self, hu):
            seen.append(hu)
            return super().__call__(hu)

    losses = Distill(hard=0, stored=0, live=1)
    with_liver = [seed for seed in range(20) if (patches.draw(seed).labels == 1).any()]
    order = Order(tuple(with_liver[:2]), is_easy=False)
    batch = samples_of(patches, losses, new_teacher=Listening)[order]
    assert torch.equal(VIEW.normalized(torch.stack(seen))[:, None], batch.images)
    liver = batch.target[:, 1]
    assert float(liver.max()) > 0.9  # where the stored labels have a liver near
    assert float(liver.min()) == 0  # and nowhere else


@pytest.mark.parametrize("kind", ["flat", "light"])
def test_features_of_a_trained_teacher_are_distilled(patches, kind):
    torch.manual_seed(1)
    teacher_network = new_teacher(Teacher(channels=(4, 8, 8), blocks=1), 14)
    losses = Distill(hard=0.5, stored=0, live=0.5, features=0.5, attention=1.0)
    run = Run(
        new_student(dataclasses.replace(SMALL, kind=kind), 14), 14, a_train(), losses,
        teacher_channels=teacher_network.encoder_channels[-2:],
    )  # fmt: skip
    teacher = TorchTeacher(teacher_network, VIEW, lambda: device.autocast(run.train, run.device))
    drawn = samples_of(patches, losses, is_raw=True)[Order((1, 2), is_easy=False)]
    batch = loop.labelled(drawn, teacher, run)
    found = [loop.train_step(run, batch) for _ in range(12)]
    assert set(found[0]) == {"divergence", "dice", "features", "attention"}
    assert found[-1]["features"] < found[0]["features"]
    assert not any(p.requires_grad for p in teacher_network.parameters())


def test_a_first_student_can_teach_a_second(patches):
    losses = Distill(hard=0, stored=0, live=1)
    run = a_run(losses=losses)
    teacher = TorchTeacher(
        new_student(SMALL, 14), VIEW, lambda: device.autocast(run.train, run.device)
    )
    batch = loop.labelled(
        samples_of(patches, losses, is_raw=True)[Order((3,), is_easy=False)], teacher, run
    )
    assert batch.target.shape == (1, 14, *(n // 2 for n in PATCH))
    assert torch.allclose(batch.target.sum(1), torch.ones(1), atol=1e-4)


def test_partial_labels_without_a_teacher_do_not_call_the_rest_background():
    case = dataclasses.replace(a_case(with_soft=False), known=(True, True, *[False] * 12))
    labels = torch.where(case.labels == 1, case.labels, 0)
    case = dataclasses.replace(case, labels=labels, places={1: case.places[1]})
    patches = type(some_patches("a"))([case], VIEW, some_patches("a")._shares)
    losses = Distill(hard=1, stored=0)
    run = a_run(losses=losses)
    batch = samples_of(patches, losses)[Order((1, 2), is_easy=False)]
    assert not batch.is_taught
    found = objective.terms(run.model, run.heads, batch, losses)
    sure = torch.full((2, 14, *batch.target.shape[2:]), -20.0)
    sure[:, 5] = torch.where(batch.target[:, 1] > 0.5, -20.0, 20.0)  # all but the liver is aorta
    sure[:, 1] = torch.where(batch.target[:, 1] > 0.5, 20.0, -20.0)
    right = objective._divergence(sure, batch, losses) + objective._dice(sure, batch)
    assert float(right) < 0.05 < sum(float(v.detach()) for v in found.values())


def test_a_batch_of_zero_fills_the_memory(patches, monkeypatch):
    run = a_run()
    monkeypatch.setattr(device, "free_bytes", lambda _: 10e6)
    fits = loop.automatic_batch(run, loop.Supply(samples_of(patches)))
    monkeypatch.setattr(device, "free_bytes", lambda _: 20e6)
    twice = loop.automatic_batch(run, loop.Supply(samples_of(patches)))
    assert 1 < fits < 64
    assert twice == pytest.approx(2 * fits, abs=1)


def test_saved_bytes_by_hand():
    weight = torch.nn.Parameter(torch.ones(1))
    values = torch.zeros(1000)
    found = device.saved_bytes(lambda: (weight * values).exp().sum())
    assert found == 4 * (1000 + 1000)  # the product keeps values, exp keeps its result


def test_the_wanted_precision_is_used():
    layer, value = torch.nn.Linear(4, 4), torch.zeros(1, 4)
    for half, kind in ((True, torch.bfloat16), (False, torch.float32)):
        with device.autocast(a_train(half_precision=half), torch.device("cpu")):
            assert layer(value).dtype is kind


def test_validation_gives_the_dsc_of_whole_cases():
    from FlareSegLib.base.config import ModelConfig
    from Testing.flare import ORGANS

    facts = ModelConfig(
        "t", "0", "0" * 64, (8.0, 5.0, 6.0), (16, 32, 32), tuple(organ.key for organ in ORGANS),
        VIEW.hu_range, VIEW.hu_mean, VIEW.hu_sd,
    )  # fmt: skip

    class ByHu(torch.nn.Module):
        def forward(self, volume):
            hu = volume[:, 0] * VIEW.hu_sd + VIEW.hu_mean
            organs = torch.arange(1, 14)[None, :, None, None, None]
            near = 8 - (hu[:, None] - (60 + 12 * organs)).abs()
            return torch.cat([torch.zeros_like(near[:, :1]), near], 1)

    case = a_case(noise_hu=0)
    dsc = validate.mean_dsc(ByHu(), facts, [case], torch.device("cpu"))
    assert dsc > 0.9
    blind = dataclasses.replace(case, hu=torch.full_like(case.hu, 40))
    assert validate.mean_dsc(ByHu(), facts, [blind], torch.device("cpu")) == 0


def test_light_and_flat_students_are_made_as_the_section_says():
    assert new_student(Student(kind="light", blocks=(1, 1, 2, 2)), 15).head.out_channels == 15
    assert new_student(SMALL, 14).logits_stride == 2
    with pytest.raises(ValueError, match=r"teacher.size is 'x'"):
        new_teacher(Teacher(size="x"), 14)
