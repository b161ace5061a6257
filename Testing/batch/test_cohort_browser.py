"""The page of a cohort in a real browser: sort, filter, verdicts, comments, and their CSV."""

import csv

import pytest

from FlareSegLib.batch.page import write_page
from FlareSegLib.batch.plan import Plan
from FlareSegLib.batch.summary import Measured, Row
from FlareSegLib.reporting.png import write_png
from FlareSegLib.reporting.thumbnail import draw
from FlareSegLib.reporting.tiles import draw_tiles
from Testing.browser import MISSING, new_page
from Testing.flare import ORGANS
from Testing.phantoms import abdomen

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"the browser's test lacks {', '.join(MISSING)}"),
]
EVIL = '<script>document.title="owned"</script>"><img src=x onerror=alert(1)>'
LIVERS = {"case_10": 1500.0, "case_9": 1700.0, "case_2": 1300.0, EVIL: 1600.0}


def row(case, ml, flags=()):
    details = {"phase": "portal venous", "liver_core_hu": 101.0}
    volumes = {"liver": ml, "left_adrenal_gland": 4.26}
    return Row(case, f"{case}.nii", "", "ok", "", Measured(1.0, volumes, flags, details))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    plan = Plan(tmp_path_factory.mktemp("ž cohort"), tmp_path_factory.mktemp("m"), with_page=True)
    hu, labelmap = abdomen((40, 38, 48), (8.0, 8.0, 8.0))
    for case in ("case_2", "case_9"):
        write_png(draw(hu, labelmap, ORGANS), plan.thumbnail(case))
        write_png(draw_tiles(hu, labelmap, ORGANS), plan.tiles(case))
    (plan.output / "case_2_organs.report.json").write_text('{"is": "the report"}')
    rows = [row(case, ml) for case, ml in LIVERS.items()]
    rows += [row("flagged", 1400.0, ("liver:implausible_volume",))]
    rows += [Row("bad", "bad.nii", "", "failed", f"{EVIL} is no CT")]
    write_page(rows, 6, plan, ORGANS)
    return plan.output


@pytest.fixture
def page(folder):
    with new_page(viewport={"width": 1200, "height": 800}) as page:
        page.goto((folder / "cohort.html").as_uri())
        yield page
        assert page.problems == []
        assert {url.split(":")[0] for url in page.asked} <= {"file", "data", "blob"}


def shown(page):
    """Return the names of the cards that can be seen, in their order."""
    return page.locator("article:visible h3").all_inner_texts()


def card(page, name):
    return page.locator("article", has=page.get_by_role("heading", name=name, exact=True))


def test_a_hostile_name_is_shown_as_text(page):
    assert EVIL in shown(page)
    assert page.title().endswith("FlareSeg cohort")
    assert page.locator("img[src=x]").count() == 0
    assert page.locator(".failed").get_by_text(f"{EVIL} is no CT").is_visible()
    assert page.locator("script").count() == 1


def test_cards_are_sorted_by_urgency_by_name_and_by_an_organ(page):
    assert shown(page)[0] == "flagged"
    page.get_by_label("sort").select_option("name")
    assert [name for name in shown(page) if "case" in name] == ["case_2", "case_9", "case_10"]
    assert page.locator("option[value=small]").is_disabled()
    page.get_by_label("organ", exact=True).select_option("liver")
    page.get_by_label("sort").select_option("small")
    assert shown(page)[1:] == ["case_2", "case_10", EVIL, "case_9"]
    page.get_by_label("sort").select_option("large")
    assert shown(page)[1:] == ["case_9", EVIL, "case_10", "case_2"]
    page.get_by_label("organ", exact=True).select_option("")
    assert page.get_by_label("sort").input_value() == ""


def test_cards_are_found_by_name_and_by_remark(page):
    page.get_by_placeholder("find a case").fill("CASE_1")
    assert shown(page) == ["case_10"]
    assert page.locator("#shown").inner_text() == "1 of 5 cases"
    page.get_by_placeholder("find a case").fill("implausible")
    assert shown(page) == ["flagged"]
    page.get_by_placeholder("find a case").fill("")
    assert len(shown(page)) == 5


def test_an_organ_is_shown_in_every_card_with_volume_and_hu(page):
    one = card(page, "case_2")
    assert one.get_by_alt_text("coronal slice").is_visible()
    page.get_by_label("organ", exact=True).select_option("left_adrenal_gland")
    assert not one.get_by_alt_text("coronal slice").is_visible()
    assert one.locator("figure:visible").inner_text().split("\n")[-1].endswith("4.3 ml")
    assert one.locator("figure:visible i").bounding_box()["width"] > 100
    assert card(page, "case_10").locator("figure:visible i").count() == 0  # it has no pictures
    page.get_by_label("organ", exact=True).select_option("liver")
    assert "1300 ml, 101 HU" in one.locator("figure:visible").inner_text()


def test_verdicts_and_comments_survive_a_reload_and_are_saved_as_csv(page, tmp_path):
    comment = 'cut, says "A"; ü'
    card(page, "case_9").get_by_text("accept").click()
    card(page, EVIL).get_by_text("reject").click()
    card(page, "case_2").get_by_text("reject").click()
    card(page, "case_2").get_by_text("reject").click()  # takes it back
    card(page, "case_10").get_by_label("comment").fill(comment)
    page.reload()
    assert card(page, "case_10").get_by_label("comment").input_value() == comment
    for show, names in (("accept", ["case_9"]), ("reject", [EVIL]), ("comment", ["case_10"])):
        page.get_by_label("show").select_option(show)
        assert shown(page) == names
    page.get_by_label("show").select_option("open")
    assert shown(page) == ["flagged", "case_10", "case_2"]
    with page.expect_download() as download:
        page.get_by_text("save verdicts as CSV").click()
    assert download.value.suggested_filename == "review.csv"
    download.value.save_as(tmp_path / "review.csv")
    with (tmp_path / "review.csv").open(encoding="utf-8", newline="") as file:
        saved = {line["case"]: (line["verdict"], line["comment"]) for line in csv.DictReader(file)}
    assert saved == {
        "flagged": ("", ""), "case_10": ("", comment), "case_9": ("accept", ""),
        "case_2": ("", ""), EVIL: ("reject", ""),
    }  # fmt: skip


def test_a_dot_has_a_name_and_leads_to_its_case_also_where_a_filter_hides_it(page):
    page.get_by_placeholder("find a case").fill("case_10")
    dot = page.locator("svg a", has=page.get_by_text("case_9: 1700 ml", exact=True)).first
    assert dot.locator("title").text_content() == "case_9: 1700 ml"
    dot.click()
    assert "case_9" in shown(page)
    assert page.evaluate("document.querySelector('article:target').id") == "case_9"


def test_links_lead_to_the_files(page):
    card(page, "case_2").get_by_role("link", name="report").click()
    page.wait_for_load_state()
    assert "the report" in page.content()
