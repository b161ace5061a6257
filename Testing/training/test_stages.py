"""prepare, pseudo_label and export on phantoms, with a teacher that tells organs by their HU."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("onnxscript", reason="extra train is not installed")

import onnx  # noqa: E402
import SimpleITK as sitk  # noqa: E402

from FlareSegLib.config import read_model_config  # noqa: E402
from FlareSegLib.labels import ORGANS  # noqa: E402
from FlareSegLib.network import OnnxNetwork  # noqa: E402
from Testing.phantoms import abdomen  # noqa: E402
from Testing.tiny_model import HU_MEAN, HU_RANGE, HU_SD, threshold_model  # noqa: E402
from Testing.training.small import SHAPE, SPACING_MM, a_config  # noqa: E402
from training import checkpoint, distill, export, prepare, pseudo_label  # noqa: E402
from training.cases import load_ct, load_labels, load_soft  # noqa: E402
from training.sections import Teacher  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::FutureWarning", "ignore::DeprecationWarning"
    ),  # of torch.onnx
]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    labels = [organ.key for organ in ORGANS]
    facts = {
        "name": "teacher", "version": "0", "spacing_mm": list(SPACING_MM), "window": [24, 32, 32],
        "hu_range": list(HU_RANGE), "hu_mean": HU_MEAN, "hu_sd": HU_SD, "labels": labels,
    }  # fmt: skip
    path = folder / "teacher" / "model.onnx"
    config = a_config(folder, teacher=Teacher(onnx=path, facts=facts))
    data = dataclasses.replace(config.data, without_organs=("none",))
    config = dataclasses.replace(config, data=data)
    path.parent.mkdir()
    onnx.save(threshold_model((24, 32, 32)), path)
    for seed, name in enumerate(("a", "none")):
        volume, _ = abdomen(SHAPE, SPACING_MM, seed=seed)
        image = sitk.GetImageFromArray(volume.array)
        image.SetSpacing(SPACING_MM[::-1])
        (config.data.cases / name).mkdir(parents=True)
        sitk.WriteImage(image, str(config.data.cases / name / "ct.nii.gz"))
    prepare.main(config)
    pseudo_label.main(config)
    return config


def test_prepared_cases_are_even_and_in_hu(config):
    hu = load_ct(config.work, "a")
    assert hu.dtype == np.int16
    assert all(n % 2 == 0 for n in hu.shape)
    assert hu.min() == -1000


def test_labels_follow_the_teacher(config):
    hu, labels = load_ct(config.work, "a"), load_labels(config.work, "a")
    assert labels.shape == hu.shape
    assert set(np.unique(labels)) >= set(range(14)) - {
        7,
        8,
    }  # adrenals are less than half a cell here
    for value in (1, 3, 5, 11, 13):
        assert abs(float(np.median(hu[labels == value])) - (HU_MEAN + HU_SD * value)) < 1


def test_soft_labels_are_the_labels_at_half_resolution(config):
    labels, soft = load_labels(config.work, "a"), load_soft(config.work, "a") / 255
    assert soft.shape == (14, *(n // 2 for n in labels.shape))
    assert np.allclose(soft.sum(axis=0), 1, atol=0.03)
    z, y, x = soft.shape[1:]
    for value in (1, 3, 11):
        share = (labels == value).reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5))
        assert np.abs(soft[value] - share).mean() < 0.01


def test_a_case_without_organs_has_none_whatever_the_teacher_says(config):
    assert not load_labels(config.work, "none").any()
    assert (load_soft(config.work, "none")[0] == 255).all()


def test_agreement_is_written(config):
    table = json.loads((config.work / "agreement.json").read_text(encoding="utf-8"))
    assert min(table["a"].values()) > 0.95  # a teacher without context is indifferent to flips


def test_clean_drops_what_lies_outside_the_body_and_small_pieces():
    soft = np.zeros((14, 20, 20, 20), np.float32)
    soft[1, 4:12, 4:12, 4:12] = 1
    soft[1, 17, 10, 10] = 1  # a small piece inside the body
    soft[11, 2:8, 15:19, 2:8] = 1  # a large piece outside
    soft[0] = 1 - soft[1:].sum(axis=0)
    body = np.zeros((20, 20, 20), bool)
    body[:, 3:13, 3:13] = True
    cleaned = pseudo_label.clean(soft, body)
    assert (cleaned[1, 4:12, 4:12, 4:12] == 1).all()
    assert cleaned[1].sum() == 8**3
    assert not cleaned[11].any()
    assert np.allclose(cleaned.sum(axis=0), 1)


def save_untrained(config):
    path = config.work / "distill" / "checkpoint.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(path, distill.new_run(config, None).state())


def test_the_exported_network_is_the_trained_one(config):
    save_untrained(config)
    export.main(config)
    facts = read_model_config(config.work / "small")
    start = dataclasses.replace(config.student, start=config.work / "distill" / "weights.pt")
    started = dataclasses.replace(config, student=start)
    again = distill.new_run(started, None)
    assert torch.equal(again.model.head.bias, export.load_student(config).head.bias)
    assert facts.window == (16, 32, 32)
    assert facts.spacing_mm == SPACING_MM
    proto = onnx.load(config.work / "small" / "model.onnx")
    assert proto.ir_version <= 9
    assert proto.opset_import[0].version <= 18
    window = np.random.default_rng(0).normal(size=facts.window).astype(np.float32)
    with torch.no_grad():
        expected = export.load_student(config)(torch.from_numpy(window)[None, None])[0].numpy()
    found = OnnxNetwork(config.work / "small", facts, 1)(window)
    assert np.allclose(found, expected, atol=1e-3 * np.ptp(expected))


def test_an_export_that_differs_is_refused(config):
    save_untrained(config)
    export.main(config)
    facts = read_model_config(config.work / "small")
    other = export.load_student(dataclasses.replace(config))
    torch.nn.init.constant_(other.head.bias, 7.0)
    with pytest.raises(ValueError, match="differ"):
        export.check_parity(other, config, facts, config.work / "small")
