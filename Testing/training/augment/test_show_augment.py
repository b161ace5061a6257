import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("torchio", reason="extra train is not installed")
pytest.importorskip("matplotlib", reason="extra preview is not installed")

from Testing.training.little import VIEW, a_case  # noqa: E402
from training import show_augment  # noqa: E402

pytestmark = pytest.mark.torch


def test_the_sheet_has_a_tile_for_every_change_and_each_tile_shows_its_change_alone(tmp_path):
    cases = [a_case("a", 0), a_case("b", 1)]
    seed = show_augment.richest_seed(cases, VIEW, tries=8)
    samples = show_augment.tiles(cases, VIEW, seed)
    assert list(samples) == ["as it is", *show_augment.CHANGES]
    plain = samples["as it is"]
    for name in ("noise", "blur", "calibration", "tone"):
        assert torch.equal(samples[name].labels, plain.labels)  # the same place, unturned
        assert not torch.equal(samples[name].image, plain.image)
    path = tmp_path / "sheet" / "augment.png"
    show_augment.draw(samples, VIEW, path)
    assert path.read_bytes().startswith(b"\x89PNG")
