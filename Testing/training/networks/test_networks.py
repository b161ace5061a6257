import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from FlareSegLib.inference.student import Student, StudentConfig  # noqa: E402
from training.networks.cost import gflop, parameters  # noqa: E402
from training.networks.heads import TrainingHeads  # noqa: E402
from training.networks.light import BottleneckBlock, LightSizes, LightStudent  # noqa: E402
from training.networks.teacher import SIZES, Teacher, TeacherSizes  # noqa: E402

pytestmark = pytest.mark.torch

NETWORKS = {
    "flat": lambda: Student(StudentConfig((8, 16, 16), (1, 1, 1), (1, 1, 2))),
    "light": lambda: LightStudent(LightSizes((8, 8, 16), (1, 1, 1), bins=(1, 2))),
    "teacher": lambda: Teacher(TeacherSizes((4, 8, 8), 2)),
}


def parameters_of_paper(name):
    widths, blocks = SIZES[name]
    with torch.device("meta"):
        return parameters(Teacher(TeacherSizes(widths, blocks, classes=15)))


@pytest.mark.parametrize(("name", "millions"), [("stunet-b", 58.26), ("stunet-l", 440.30)])
def test_stunet_has_the_size_that_paper_3_gives(name, millions):
    assert parameters_of_paper(name) / 1e6 == pytest.approx(millions, rel=0.003)


def test_the_light_student_is_near_the_size_of_paper_1():
    assert parameters(LightStudent()) == 136_209  # the paper says 157.59 K


def test_gflop_of_one_convolution_by_hand():
    layer = torch.nn.Conv3d(1, 4, 3, padding=1)
    assert gflop(layer, (8, 8, 8)) == pytest.approx(2 * 512 * 4 * 27 / 1e9)


def test_counting_leaves_the_network_as_it_is():
    network = LightStudent(LightSizes((8, 16), (1, 1)))
    gflop(network, (16, 16, 16))
    assert next(network.parameters()).device.type == "cpu"


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_come_from_the_finest_features(name):
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    volume = torch.randn(2, 1, 16, 16, 32)
    with torch.no_grad():
        logits, features = network(volume), network.features(volume)
        assert torch.allclose(network.classify(features.decoder[0]), logits, atol=1e-5)
    assert logits.shape == (2, 14, *(n // network.logits_stride for n in volume.shape[2:]))
    assert tuple(level.shape[1] for level in features.encoder) == network.encoder_channels
    assert tuple(level.shape[1] for level in features.decoder) == network.decoder_channels
    cells = [level[0, 0].numel() for level in features.decoder]
    assert cells == sorted(cells, reverse=True)


def test_the_deepest_stage_of_the_light_student_keeps_the_resolution():
    network = LightStudent().eval()
    with torch.no_grad():
        *_, before, deepest = network.features(torch.randn(1, 1, 32, 48, 48)).encoder
    assert before.shape == deepest.shape == (1, 128, 4, 6, 6)


def test_a_bottleneck_block_halves_with_stride_2_and_is_a_quarter_wide_inside():
    block = BottleneckBlock(32, 64, stride=2)
    assert block(torch.randn(1, 32, 8, 8, 8)).shape == (1, 64, 4, 4, 4)
    assert block.separable.depthwise.weight.shape[0] == 16


def test_the_way_up_of_the_teacher_has_no_weights():
    kinds = {type(module).__name__ for module in Teacher(TeacherSizes((4, 8))).modules()}
    assert "ConvTranspose3d" not in kinds


@pytest.mark.parametrize("name", NETWORKS)
def test_heads_supervise_lower_levels_and_bridge_to_the_teacher(name):
    network = NETWORKS[name]()
    heads = TrainingHeads(network, 14, levels=1, teacher_channels=(5, 6))
    features = network.features(torch.randn(1, 1, 16, 16, 32))
    (aux,) = heads.auxiliary(features)
    assert aux.shape == (1, 14, *features.decoder[1].shape[2:])
    assert [level.shape[1] for level in heads.bridged(features)] == [5, 6]
    assert heads.bridged(features)[-1].shape[2:] == features.encoder[-1].shape[2:]


@pytest.mark.parametrize("name", NETWORKS)
def test_heads_bridge_the_finest_decoder_levels_too(name):
    network = NETWORKS[name]()
    heads = TrainingHeads(network, 14, levels=0, teacher_channels=(6,), decoder_channels=(7, 9))
    features = network.features(torch.randn(1, 1, 16, 16, 32))
    compared = [features.encoder[-1], *features.decoder[:2]]
    assert all(a is b for a, b in zip(heads.compared(features), compared, strict=True))
    shapes = [tuple(level.shape[1:]) for level in heads.bridged(features)]
    assert shapes == [(n, *level.shape[2:]) for n, level in zip((6, 7, 9), compared, strict=True)]


def test_new_bridges_learn_before_they_move_the_student():
    """Random ones sent a trained student back by 250 steps (training/LOG.md)."""
    network = NETWORKS["flat"]().eval()
    heads = TrainingHeads(network, 14, levels=0, teacher_channels=(5, 6))
    bridged = heads.bridged(network.features(torch.randn(1, 1, 16, 16, 32)))
    sum((level - 1).square().mean() for level in bridged).backward()
    assert all(float(weight.grad.abs().max()) > 0 for weight in heads.bridges.parameters())
    moved = [w.grad for w in network.parameters() if w.grad is not None]
    assert not any(bool(grad.any()) for grad in moved)


def test_heads_do_not_change_the_weights_that_inference_loads():
    network = NETWORKS["flat"]()
    before = set(network.state_dict())
    TrainingHeads(network, 14, levels=2, teacher_channels=(8, 8))
    assert set(network.state_dict()) == before


def test_pooling_by_products_is_adaptive_pooling():
    from training.networks.light import cell_means

    volume = torch.randn(2, 3, 5, 7, 12)
    for cells in (1, 2, 3, 6):
        expected = torch.nn.functional.adaptive_avg_pool3d(volume, cells)
        assert torch.allclose(cell_means(volume, cells), expected, atol=1e-6)
