"""export on phantoms."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("onnxscript", reason="extra train is not installed")

import onnx  # noqa: E402

from FlareSegLib.base.errors import ModelError  # noqa: E402
from FlareSegLib.base.model_file import read_model_config  # noqa: E402
from FlareSegLib.inference.network import FlatOnnxNetwork  # noqa: E402
from Testing.model_facts import activation_types  # noqa: E402
from Testing.training.small import SPACING_MM, a_config  # noqa: E402
from Testing.training.world import write_case  # noqa: E402
from training import export, prepare  # noqa: E402
from training.loop import checkpoint  # noqa: E402
from training.networks import build  # noqa: E402
from training.networks.model import new_student  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::FutureWarning", "ignore::DeprecationWarning"
    ),  # of torch.onnx
]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = a_config(tmp_path_factory.mktemp("export"))
    write_case(config.data.cases, "a")
    prepare.main(config)
    torch.manual_seed(1)
    state = {"average": new_student(config).state_dict(), "network": {}}
    checkpoint.save(config.work / "distill" / "checkpoint.pt", state)
    return config


def test_the_exported_network_is_the_trained_one(config):
    export.main(config)
    facts = read_model_config(config.work / "small")
    alone = checkpoint.weights(config.work / "distill" / "weights.pt")
    assert torch.equal(alone["head.bias"], export.load_student(config).head.bias)
    assert facts.window == (16, 32, 32)
    assert facts.spacing_mm == SPACING_MM
    proto = onnx.load(config.work / "small" / "model.onnx")
    assert proto.ir_version <= 9
    assert proto.opset_import[0].version <= 18
    window = np.random.default_rng(0).normal(size=facts.window).astype(np.float32)
    with torch.no_grad():
        expected = export.load_student(config)(torch.from_numpy(window)[None, None])[0].numpy()
    found = FlatOnnxNetwork(config.work / "small", facts, 1)(window)
    assert np.allclose(found, expected, atol=1e-3 * np.ptp(expected))


def test_flips_go_into_the_facts_if_the_network_knows_them(config):
    flips = dataclasses.replace(config.export, flips=((2,),))
    with pytest.raises(ValueError, match=r"augment\.mirror above 0"):
        export.main(dataclasses.replace(config, export=flips))
    mirrored = dataclasses.replace(config.augment, mirror=0.5)
    export.main(dataclasses.replace(config, export=flips, augment=mirrored))
    assert read_model_config(config.work / "small").flips == ((2,),)


def test_the_weights_of_the_start_have_their_share(config, tmp_path):
    torch.manual_seed(2)
    start = new_student(config).state_dict()
    torch.save(start, tmp_path / "start.pt")
    half = dataclasses.replace(config.export, start_share=0.25)
    with pytest.raises(ValueError, match=r"student\.start is not set"):
        export.load_student(dataclasses.replace(config, export=half))
    student = dataclasses.replace(config.student, start=tmp_path / "start.pt")
    found = export.load_student(dataclasses.replace(config, export=half, student=student))
    average = export.load_student(config).state_dict()
    for name, value in found.named_parameters():
        assert torch.allclose(value, 0.75 * average[name] + 0.25 * start[name], atol=1e-6), name


def test_an_export_that_differs_is_refused(config):
    export.main(config)
    facts = read_model_config(config.work / "small")
    other = export.load_student(config)
    torch.nn.init.constant_(other.head.bias, 7.0)
    with pytest.raises(ModelError, match="differ"):
        export.check_parity(other, config, facts, config.work / "small")


def test_the_fast_variant_is_int8_and_says_nearly_the_same(config):
    export.main(config)
    folder = config.work / "small"
    facts = read_model_config(folder)
    fast = facts.at_speed("fast")
    assert (fast.onnx, facts.at_speed("balanced")) == ("model_int8.onnx", facts)
    proto = onnx.load(folder / fast.onnx)
    kernels = [item for item in proto.graph.initializer if len(item.dims) == 4]  # no zero points
    weights = [item for item in kernels if item.data_type == onnx.TensorProto.INT8]
    assert sum(len(item.raw_data) for item in weights) > 1000
    assert max(np.abs(onnx.numpy_helper.to_array(item)).max() for item in weights) <= 64
    assert activation_types(proto) == {onnx.TensorProto.UINT8}  # s8 is slower than float32
    window = export.real_windows(config, facts.window, 1)[0]
    exact, found = (FlatOnnxNetwork(folder, one, 1)(window) for one in (facts, fast))
    assert 0 < np.abs(found - exact).max() < 0.2 * np.ptp(exact)


def test_a_light_student_is_exported_for_its_window_and_the_card_says_what_it_is(config):
    work = config.work.parent / "light"
    light = dataclasses.replace(config.student, kind="light", channels=(8, 16))
    light = dataclasses.replace(config, student=light, work=work)
    prepare.main(light)
    state = {"average": new_student(light).state_dict()}
    checkpoint.save(work / "distill" / "checkpoint.pt", state)
    export.main(light)
    facts = read_model_config(work / "small")
    assert not facts.is_flat
    assert facts.logits_stride == 1
    card = (work / "small" / "MODEL_CARD.md").read_text(encoding="utf-8")
    count = sum(weight.numel() for weight in new_student(light).parameters())
    assert f"{count:,} parameters" in card
    assert "Not measured yet" in card


def test_a_larger_student_goes_beside_for_speed_accurate(config, tmp_path):
    sizes = dataclasses.replace(config.student, channels=(12, 24), start=tmp_path / "large.pt")
    large = dataclasses.replace(config, accurate=sizes)
    torch.manual_seed(3)
    checkpoint.save(tmp_path / "large.pt", build.new_student(sizes, 14).state_dict())
    export.main(large)
    folder = config.work / "small"
    facts = read_model_config(folder)
    accurate = facts.at_speed("accurate")
    assert accurate.onnx == "model_accurate.onnx"
    window = export.real_windows(config, facts.window, 1)[0]
    found = FlatOnnxNetwork(folder, accurate, 1)(window)
    with torch.no_grad():
        expected = export.load_accurate(large)(torch.from_numpy(window)[None, None])[0].numpy()
    assert np.abs(found - expected).max() < 1e-3 * np.ptp(expected)
    assert "widths 12 / 24" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_weights_that_were_trained_elsewhere_are_exported(config, tmp_path):
    torch.manual_seed(4)
    checkpoint.save(tmp_path / "start.pt", new_student(config).state_dict())
    student = dataclasses.replace(config.student, start=tmp_path / "start.pt")
    elsewhere = dataclasses.replace(config, student=student, work=tmp_path / "elsewhere")
    found = export.load_student(elsewhere).state_dict()
    saved = torch.load(tmp_path / "start.pt", weights_only=True)
    assert all(torch.equal(found[name], saved[name]) for name in saved)
