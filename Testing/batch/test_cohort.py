"""What the page of a cohort says is true, is safe to open, and fetches nothing."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.batch import page as page_module
from FlareSegLib.batch import template
from FlareSegLib.batch.cohort import outliers, remarks, spread
from FlareSegLib.batch.page import write_page
from FlareSegLib.batch.plan import Plan
from FlareSegLib.batch.summary import Measured, Row
from FlareSegLib.pipeline import default_model
from FlareSegLib.reporting.png import to_png, write_png
from FlareSegLib.reporting.thumbnail import draw
from FlareSegLib.reporting.tiles import SIDE, draw_tiles
from Testing.flare import BY_KEY, ORGANS
from Testing.phantoms import abdomen

PHASES = (("portal venous", 90.0), ("portal venous", 100.0), ("native", 110.0))
LIVER, AORTA = BY_KEY["liver"], BY_KEY["aorta"]


def row(case, flags=(), **ml):
    return Row(case, f"{case}.nii", "", "ok", measured=Measured(1.0, ml, tuple(flags)))


def livers(values):
    return [row(f"c{i}", liver=float(ml)) for i, ml in enumerate(values)]


def test_outliers_are_those_far_by_the_logarithm():
    """ln(ml): ten values at ln 100 +- 0.1 -> MAD 0.1; x is out if |ln x - ln 100| > 0.519."""
    near = {f"c{i}": 100 * np.exp(0.1 if i % 2 else -0.1) for i in range(10)}
    just = 3.5 * 0.1 / 0.6745
    assert outliers(near) == {}
    high, low = 100 * np.exp(just * 1.01), 100 * np.exp(-just * 1.01)
    found = outliers({**near, "high": high, "low": low})
    assert found == {"high": pytest.approx(3.535), "low": pytest.approx(-3.535)}
    inside = {"high": 100 * np.exp(just * 0.99), "low": 100 * np.exp(-just * 0.99)}
    assert outliers({**near, **inside}) == {}


def test_few_cases_and_equal_cases_have_no_outliers():
    assert outliers({**{f"c{i}": 100.0 + i for i in range(8)}, "far": 9000.0}) == {}
    assert outliers({**{f"c{i}": 100.0 for i in range(20)}, "far": 9000.0}) == {}


def test_cut_organs_are_left_out_unless_most_are_cut():
    rows = [row("a", liver=1000.0), row("b", liver=2000.0), row("c", liver=0.0)]
    cut = [row("d", ["liver:touches_border"], liver=10.0)]
    one = spread([*rows, *cut], LIVER)
    assert (one.ml, one.is_whole, one.cut, one.absent) == ({"a": 1000, "b": 2000}, True, 1, 1)
    assert one.quartiles == (1250, 1500, 1750)
    vessels = [row(name, ["aorta:touches_border"], aorta=50.0) for name in "ab"]
    assert spread(vessels, AORTA).ml == {"a": 50, "b": 50}
    assert not spread(vessels, AORTA).is_whole
    assert spread([], LIVER).quartiles == (0, 0, 0)


def test_remarks_say_in_words_why_to_look():
    rows = [*livers(range(1500, 1520)), row("huge", ["mirrored", "spleen:absent"], liver=9000.0)]
    spreads = [spread(rows, organ) for organ in ORGANS]
    assert remarks(rows[0], spreads) == []
    assert remarks(rows[-1], spreads) == [
        "mirrored",
        f"{LIVER.name}: 9000 ml, far larger than usual here (1510)",
        f"{BY_KEY['spleen'].name}: absent",
    ]


class Tags(HTMLParser):
    """Collects tags, and what their attributes may fetch."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]


EVIL = '<script src="https://x.org/a.js">alert(1)</script>"><img src=x onerror=alert(1)>'


@pytest.fixture
def page(tmp_path):
    """A page with an outlier, failures and a hostile name, and its plan."""
    plan = Plan(tmp_path / "cohort <b>", tmp_path / "model", with_page=True)
    hu, labelmap = abdomen((40, 38, 48), (8.0, 8.0, 8.0))
    write_png(draw(hu, labelmap, ORGANS), plan.thumbnail("c0"))
    write_png(draw_tiles(hu, labelmap, ORGANS), plan.tiles("c0"))
    rows = [
        *livers(range(1500, 1520)),
        row("huge", liver=9000.0),
        row(EVIL, ["mirrored"], liver=1510.0),
        Row("bad", EVIL, "", "failed", f"{EVIL} is no CT"),
    ]
    write_page(rows, 25, plan, ORGANS)
    return plan.page.read_text("utf-8")


def test_the_page_fetches_nothing_and_runs_no_foreign_code(page):
    found = Tags(page)
    assert found.tags.count("script") == 1
    assert found.tags.count("img") == 1
    assert all(link.startswith(("data:image/png;base64,", "#", "./")) for link in found.links)
    assert "default-src 'none'" in page
    assert len(re.findall(r"url\(data:image/png;base64,", page)) == 1
    assert not re.search(r"url\((?!data:)|@import|<link", page)


def test_the_page_names_counts_reasons_and_outliers(page):
    text = re.sub(r"<[^>]+>", " ", page)
    for said in ("Failed: 1", "Volumes of 22 CTs", "Cases to look at: 2", "Other cases: 20"):
        assert said in text
    assert "9000 ml, far larger than usual here" in text
    assert re.search(r"<b>2</b>not run yet", page)
    assert page.index('id="huge"') < page.index('id="c0"')
    assert 'href="#huge"' in page
    assert "limits beyond which a volume is flagged, not norms" in text


def test_a_card_links_to_the_files_that_are_there_and_takes_a_verdict(tmp_path):
    plan = Plan(tmp_path, tmp_path / "model", with_page=True)
    name = "Bauch ü & 1"
    for ending in (".nii.gz", ".report.json"):
        (tmp_path / f"{name}_organs{ending}").write_text("x")
    details = {"phase": "portal venous", "liver_core_hu": 101.2}
    measured = Measured(1.0, {"liver": 1500.0}, (), details)
    write_page([Row(name, "x", "", "ok", "", measured)], 1, plan, ORGANS)
    text = plan.page.read_text("utf-8")
    links = [link for link in Tags(text).links if link.startswith("./")]
    assert [unquote(link) for link in links] == [
        f"./{name}_organs.nii.gz", f"./{name}_organs.report.json",
    ]  # fmt: skip
    assert "portal venous, liver 101 HU" in text
    assert text.count('<button type="button" data-choice=') == 2
    assert re.search(r"</b> 1500 ml, 101 HU<", text)


def test_small_organs_have_a_decimal_and_each_dot_a_name(tmp_path):
    plan = Plan(tmp_path, tmp_path / "model", with_page=True)
    near = [row(f"c{i}", left_adrenal_gland=4 + i / 100) for i in range(20)]
    write_page([*near, row("a", left_adrenal_gland=14.26)], 21, plan, ORGANS)
    text = plan.page.read_text("utf-8")
    assert "<td>4.1<td>4.0 to 4.2" in text
    assert "<title>c0: 4.0 ml</title>" in text
    assert "<title>a: 14.3 ml</title>" in text
    assert "left adrenal gland: 14.3 ml, far larger than usual here (4.1)" in text


def test_volumes_have_hu_and_phases_are_counted(tmp_path):
    plan = Plan(tmp_path, tmp_path / "model", with_page=True)
    details = [{"phase": phase, "liver_core_hu": hu} for phase, hu in PHASES]
    rows = [
        Row(f"c{i}", "x", "", "ok", "", Measured(1.0, {"liver": 1500.0}, (), found))
        for i, found in enumerate(details)
    ]
    write_page(rows, 3, plan, ORGANS)
    text = plan.page.read_text("utf-8")
    assert "<td>1500<td>1500 to 1500<td>100<td>" in text
    assert "Contrast phase: portal venous 2, native 1." in text


def test_without_jinja2_a_batch_says_so_before_the_first_ct(tmp_path, monkeypatch):
    monkeypatch.setattr(template, "find_spec", lambda _: None)
    plan = Plan(tmp_path, default_model(), with_page=True)
    with pytest.raises(OutputError, match=r"needs Jinja2.*pip install .*or leave out --html"):
        plan.check()


def test_pictures_of_organs_are_for_those_to_look_at_where_they_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_TILES", 2 * len(ORGANS))
    plan = Plan(tmp_path, tmp_path / "model", with_page=True)
    hu, labelmap = abdomen((40, 38, 48), (8.0, 8.0, 8.0))
    for case in "abcd":
        write_png(draw_tiles(hu, labelmap, ORGANS), plan.tiles(case))
    write_page([row(c, ["mirrored"] * (c == "d"), liver=1.0) for c in "abcd"], 4, plan, ORGANS)
    text = plan.page.read_text("utf-8")
    assert re.findall(r'<article id="(\w)" style="--strip', text) == ["d", "a"]


def test_each_organ_has_a_tile_with_its_outline_and_an_absent_one_is_black():
    hu, labelmap = abdomen((40, 38, 48), (8.0, 8.0, 8.0))
    labelmap.array[labelmap.array == BY_KEY["spleen"].value] = 0
    strip = draw_tiles(hu, labelmap, ORGANS)
    assert strip.shape == (SIDE, SIDE * len(ORGANS), 3)
    for organ, tile in zip(ORGANS, np.split(strip, len(ORGANS), axis=1), strict=True):
        outline = (tile == organ.color).all(axis=2)
        assert outline.any() == (organ.key != "spleen")
        assert tile.any() == (organ.key != "spleen")
        if outline.any():  # in the middle, and not cut by the tile
            rows, columns = np.nonzero(outline)
            assert abs(rows.min() + rows.max() - SIDE) <= 8
            assert abs(columns.min() + columns.max() - SIDE) <= 8


def test_a_tile_shows_at_least_50_mm_and_its_pixels_lie_where_the_voxels_lie():
    """An organ of 8 mm in 1 mm voxels: 50 mm on 64 pixels, so its square is 8 / 50 * 64 wide."""
    hu, labelmap = abdomen((40, 38, 48), (8.0, 8.0, 8.0))
    grid = replace(labelmap.grid, spacing_mm=(1.0, 1.0, 1.0), shape=(4, 100, 100))
    labels = np.zeros((4, 100, 100), np.uint8)
    labels[2, 10:18, 60:68] = LIVER.value
    voxels = np.full((4, 100, 100), -160, np.int16)
    voxels[2, 10:18, 68:] = 240  # white toward the patient's left
    tile = draw_tiles(replace(hu, array=voxels, grid=grid), Labelmap(labels, grid), [LIVER])
    rows, columns = np.nonzero((tile == LIVER.color).all(axis=2))
    assert np.ptp(columns) + 1 == pytest.approx(8 / 50 * SIDE, abs=1)
    assert np.ptp(rows) + 1 == pytest.approx(8 / 50 * SIDE, abs=1)
    white = np.nonzero((tile == 255).all(axis=2))[1]
    assert white.min() == columns.max() + 1
    assert not tile[: int(SIDE * (0.5 - 14 / 50)) - 1].any()  # above the edge of the slice


def test_a_page_without_a_result_is_a_page(tmp_path):
    plan = Plan(tmp_path, tmp_path / "model", with_page=True)
    write_page([Row("bad", "x", "", "failed", "no CT")], 1, plan, ORGANS)
    assert "Failed: 1" in plan.page.read_text("utf-8")


def test_a_thumbnail_shows_the_patients_right_on_the_left_and_the_head_up(tmp_path):
    hu, labelmap = abdomen((41, 38, 47), (8.0, 8.0, 6.0))
    picture = draw(hu, labelmap, ORGANS)
    assert picture.shape == (150, round(150 * 47 * 6 / (41 * 8)), 3)
    liver = np.array(LIVER.color) * 0.55
    redness = np.abs(picture - (0.45 * 255 * (72 + 160) / 400 + liver)).max(axis=2) < 3
    rows, columns = np.nonzero(redness)
    assert rows.size
    assert columns.mean() < picture.shape[1] / 2
    assert rows.mean() < picture.shape[0] / 2
    path = tmp_path / "t.png"
    write_png(draw(hu, labelmap, ORGANS), path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), picture)
    assert to_png(picture) == path.read_bytes()
