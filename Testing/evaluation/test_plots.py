"""Box plots: a box per organ that counts, a point per case."""

import pytest
from matplotlib import image

from FlareSegLib.evaluation.plots import draw_boxes, write_boxes
from FlareSegLib.evaluation.scores import Score
from Testing.flare import FLARE


def score(case, organ, dsc, is_counted=True):
    return Score(case, organ, dsc, dsc, 2.0, 9.0, 9.0, is_counted)


SCORES = [
    *(score(f"c{i}", "liver", dsc) for i, dsc in enumerate((0.2, 0.4, 0.9))),
    score("c0", "left_kidney", 0.7),
    score("c0", "spleen", 0.7, is_counted=False),
]


def test_organs_that_count_have_a_box_and_their_points():
    dsc, nsd = draw_boxes(SCORES, FLARE).axes
    assert [label.get_text() for label in nsd.get_xticklabels()] == ["liver", "left kidney"]
    for axes in (dsc, nsd):
        assert [len(points.get_offsets()) for points in axes.collections] == [3, 1]
        assert len(axes.patches) == 2
    assert dsc.collections[0].get_offsets()[:, 1].tolist() == [0.2, 0.4, 0.9]


@pytest.mark.parametrize("scores", [SCORES, []])
def test_a_picture_is_written_even_of_nothing(tmp_path, scores):
    write_boxes(scores, FLARE, tmp_path / "boxes.png")
    assert image.imread(tmp_path / "boxes.png").shape[0] > 500
