"""The preview: which slices, which way round, and that it is always written whole."""

import numpy as np
import pytest

from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.reporting import canvas, hatching, legend, preview
from Testing.flare import BY_KEY, ORGANS
from Testing.phantoms import abdomen

image = pytest.importorskip("matplotlib.image", reason="needs matplotlib")


def scan(shape, spacing_mm, **boxes):
    grid = Grid(shape, spacing_mm)
    labels = np.zeros(shape, np.uint8)
    for key, box in boxes.items():
        labels[tuple(slice(*edge) for edge in box)] = BY_KEY[key].value
    return Volume(np.full(shape, -1000, np.int16), grid), Labelmap(labels, grid)


def panels(path, key):
    """Yield rows and columns, in [0, 1], of the outline in each of three equal, square views."""
    picture = image.imread(path)[..., :3]
    header, gap, words = (
        round(inches * preview.DPI)
        for inches in (legend.HEADER_INCHES, legend.GAP_INCHES, legend.LEGEND_INCHES)
    )
    side = (picture.shape[1] - 4 * gap - words) // 3
    color = np.array(BY_KEY[key].color) / 255
    is_organ = np.abs(picture - color).max(axis=-1) < 0.05
    for i in range(3):
        left = gap + i * (side + gap)
        rows, columns = np.nonzero(is_organ[header : header + side, left : left + side])
        yield rows / side, columns / side


@pytest.mark.parametrize("spacing_mm", [(3.0, 3.0, 3.0), (6.0, 2.0, 3.0)])
def test_right_is_left_the_head_is_up_and_anterior_is_up_or_left(tmp_path, spacing_mm):
    # an organ 60 mm on each side, 30 mm from the top, front and right of a 240 mm cube
    z, y, x = (round(240 / s) for s in spacing_mm)
    low, high = np.array([30, 90]) / 240
    box = ((round(z * (1 - high)), round(z * (1 - low))), (round(y * low), round(y * high)),
           (round(x * low), round(x * high)))  # fmt: skip
    hu, labelmap = scan((z, y, x), spacing_mm, aorta=box)
    preview.write_preview(
        hu, labelmap, (BY_KEY["aorta"],), tmp_path / "p.png", preview.Caption("a cube")
    )
    for rows, columns in panels(tmp_path / "p.png", "aorta"):
        edges = [rows.min(), rows.max(), columns.min(), columns.max()]
        assert edges == pytest.approx([low, high, low, high], abs=0.015)


def test_every_organ_of_the_phantom_is_outlined(tmp_path):
    hu, labelmap = abdomen((64, 60, 76), (5.0, 5.0, 5.0))
    preview.write_preview(hu, labelmap, ORGANS, tmp_path / "p.png", preview.Caption("phantom"))
    picture = image.imread(tmp_path / "p.png")[..., :3]
    views = picture[:, : -round(legend.LEGEND_INCHES * preview.DPI)]
    for organ in ORGANS:
        if organ.key != "esophagus":  # above the kidneys, where most other organs are
            near = np.abs(views - np.array(organ.color) / 255).max(axis=-1) < 0.08
            assert near.sum() > 10, organ.key


def test_the_slices_cut_most_organs_then_most_voxels():
    # z: two organs in 3 and 4, more voxels in 4; y: both in 1 only; x: both in 2 only
    _, labelmap = scan(
        (7, 5, 6), (1, 1, 1), liver=((3, 5), (1, 3), (2, 5)), spleen=((3, 6), (0, 1), (0, 3))
    )
    labelmap.array[4, 1, 0] = BY_KEY["spleen"].value
    assert preview.best_slices(labelmap, ORGANS) == (4, 1, 2)


def test_the_middle_is_shown_where_nothing_was_found(tmp_path):
    hu, labelmap = scan((7, 5, 6), (5.0, 4.0, 3.0))
    assert preview.best_slices(labelmap, ORGANS) == (3, 2, 3)
    preview.write_preview(hu, labelmap, ORGANS, tmp_path / "p.png", preview.Caption("empty"))
    assert image.imread(tmp_path / "p.png").shape[0] > 300


def test_the_legend_tells_ml_and_what_is_absent():
    hu, labelmap = scan((7, 5, 6), (10.0, 10.0, 5.0), liver=((1, 3), (1, 3), (1, 4)))  # 12 x 0.5 ml
    figure = preview._draw(
        hu, labelmap, (BY_KEY["liver"], BY_KEY["spleen"]), preview.Caption("a title")
    )
    words = [text.get_text() for text in figure.texts]
    assert words[1:7] == ["■", "liver", "6.0", "■", "spleen", "not found"]
    assert words[-2:] == ["a title", "FlareSeg: research use, not a medical device"]


@pytest.mark.parametrize("shape", [(200, 12, 16), (4, 90, 90), (4, 20, 200)])
def test_long_and_flat_scans_give_a_picture_of_sane_size(tmp_path, shape):
    hu, labelmap = scan(shape, (5.0, 4.0, 4.0), liver=((1, 3), (1, 3), (1, 4)))
    preview.write_preview(hu, labelmap, ORGANS, tmp_path / "p.png", preview.Caption("odd"))
    height, width = image.imread(tmp_path / "p.png").shape[:2]
    assert 400 < height < 800
    assert 400 < width < 2100


def test_any_title_can_be_drawn(tmp_path):
    hu, labelmap = scan((7, 5, 6), (1.0, 1.0, 1.0))
    preview.write_preview(
        hu, labelmap, ORGANS, tmp_path / "p.png", preview.Caption(r"腹部 $\frac{ 5$ ct_1.nii.gz")
    )
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_a_missing_matplotlib_names_the_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(canvas, "find_spec", lambda name: None)
    hu, labelmap = scan((7, 5, 6), (1.0, 1.0, 1.0))
    with pytest.raises(OutputError, match=r"pip install 'matplotlib>=3\.8'"):
        preview.write_preview(hu, labelmap, ORGANS, tmp_path / "p.png", preview.Caption("a title"))
    assert not any(tmp_path.iterdir())


def test_nothing_is_left_where_the_picture_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    hu, labelmap = scan((7, 5, 6), (1.0, 1.0, 1.0))
    with pytest.raises(OutputError):
        preview.write_preview(
            hu, labelmap, ORGANS, tmp_path / "file" / "p.png", preview.Caption("a title")
        )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_truth_is_dotted_and_chooses_the_slices():
    hu, missed = scan((7, 5, 6), (5.0, 4.0, 3.0))
    _, truth = scan((7, 5, 6), (5.0, 4.0, 3.0), liver=((5, 7), (1, 3), (1, 4)))
    figure = preview._draw(
        hu, missed, (BY_KEY["liver"],), preview.Caption("a title"), preview.Over(truth)
    )
    for axes in figure.axes:
        (outline,) = axes.collections  # the missed organ has no line of its own
        assert outline.get_linestyles()[0][1] is not None  # dashes
    figure = preview._draw(
        hu, truth, (BY_KEY["liver"],), preview.Caption("a title"), preview.Over(truth)
    )
    assert [len(axes.collections) for axes in figure.axes] == [2, 2, 2]


def test_hatching_lies_where_doubt_is_high_and_is_explained():
    """Cells of 10 mm over a part of the scan; those of doubt reach from 30 to 50, 60, 70 mm."""
    hu, labelmap = scan((60, 50, 40), (2.0, 3.0, 4.0), liver=((20, 21), (15, 16), (10, 11)))
    cells = np.zeros((10, 12, 12), np.uint8)
    cells[2:4, 2:5, 2:6] = 80  # along z, y, x from the corner of the cells, at 10 mm
    corner = hu.grid.to_world(tuple((10 + 5) / mm - 0.5 for mm in hu.grid.spacing_mm))
    doubt = Labelmap(cells, Grid(cells.shape, (10.0, 10.0, 10.0), corner))
    over = preview.Over(doubt=doubt)
    figure = preview._draw(hu, labelmap, (BY_KEY["liver"],), preview.Caption("a title"), over)
    z, y, x = ((30, 50), (30, 60), (30, 70))
    upright = (120 - z[1], 120 - z[0])
    for axes, columns, rows in zip(figure.axes, (x, y, x), (upright, upright, y), strict=True):
        (found,) = [one for one in axes.collections if hatching.PATTERN in (one.hatches or ())]
        (low, top), (high, bottom) = found.get_datalim(axes.transData).get_points()
        assert (low, high) == pytest.approx(columns, abs=5)  # half a cell: steps are slopes
        assert (top, bottom) == pytest.approx(rows, abs=5)
    assert any(words.startswith("hatched") for words in words_of(figure))


def test_nothing_is_hatched_where_nothing_is_doubtful():
    hu, labelmap = scan((7, 5, 6), (5.0, 4.0, 3.0), liver=((5, 7), (1, 3), (1, 4)))
    doubt = Labelmap(np.full((7, 5, 6), 20, np.uint8), labelmap.grid)
    over = preview.Over(doubt=doubt)
    figure = preview._draw(hu, labelmap, (BY_KEY["liver"],), preview.Caption("a title"), over)
    assert [len(axes.collections) for axes in figure.axes] == [1, 1, 1]  # the outline


def words_of(figure):
    return [text.get_text() for text in figure.texts]


def test_what_is_cut_and_what_is_flagged_stands_beside_the_volumes(tmp_path):
    hu, labelmap = scan((20, 20, 20), (5, 5, 5), liver=((2, 9), (2, 9), (2, 9)))
    liver, spleen = BY_KEY["liver"], BY_KEY["spleen"]
    for flags, word in (
        ((), ""),
        (("touches_border",), "cut"),
        (("touches_border", "implausible_volume"), "look"),
    ):
        caption = preview.Caption("a case", {"liver": flags, "spleen": ("absent",)})
        said = words_of(preview._draw(hu, labelmap, (liver, spleen), caption))
        assert [text for text in said if text in ("cut", "look")] == ([word] if word else [])


def test_a_flagged_organ_that_no_view_cuts_gets_a_picture_of_its_own(tmp_path):
    boxes = {
        "liver": ((2, 9), (2, 9), (2, 9)),
        "spleen": ((2, 9), (2, 9), (11, 18)),
        "gallbladder": ((15, 17), (15, 17), (9, 11)),
    }
    hu, labelmap = scan((20, 20, 20), (5, 5, 5), **boxes)
    organs = tuple(BY_KEY[key] for key in boxes)
    flags = {"gallbladder": ("implausible_volume",), "liver": ("implausible_volume",)}
    plain = preview._draw(hu, labelmap, organs, preview.Caption("a case"))
    figure = preview._draw(hu, labelmap, organs, preview.Caption("a case", flags))
    assert len(plain.axes) == 3
    assert [axes.get_title(loc="left") for axes in figure.axes[3:]] == ["look: gallbladder"]
    left, right = figure.axes[3].get_xlim()
    assert left < 9 * 5 < 11 * 5 < right
