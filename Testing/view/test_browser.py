"""The viewer in a real browser: Chromium, driven by Playwright.

    make view-test

Skipped where trame-slicer, Playwright or Chromium are not installed.
"""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest

from Testing import browser
from Testing.flare import ORGANS
from Testing.phantoms import abdomen, organ_ml, save

MISSING = [*browser.MISSING, *([] if find_spec("trame_slicer") else ["trame_slicer"])]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"the viewer's test lacks {', '.join(MISSING)}"),
]
SHAPE, SPACING_MM = (60, 60, 70), (5.0, 5.0, 5.0)
SIZE = {"width": 1200, "height": 800}
DRAWER_PIXELS, BAR_PIXELS = 255, 50
LEAST_SHARE = 0.003
"""The sagittal view shows two small organs."""
GRAY = 40
"""Red, green and blue of a pixel of the CT differ by less."""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A phantom CT with its organs, as a run leaves them."""
    from FlareSegLib.base.atomic import digest
    from FlareSegLib.base.geometry import Labelmap
    from FlareSegLib.images.writing import write_labelmap

    folder = tmp_path_factory.mktemp("ž case")
    volume, truth = abdomen(SHAPE, SPACING_MM)
    write_labelmap(truth, folder / "organs.nii.gz")
    save(volume, folder / "ct.nrrd")
    path = folder / "organs.nii.gz"
    flags = {"spleen": {"implausible_volume": "is large"}, "aorta": {"touches_border": "is cut"}}
    organs = [
        {
            "key": organ.key,
            "name": organ.name,
            "value": organ.value,
            "flags": flags.get(organ.key, {}),
        }
        for organ in ORGANS
    ]
    run = {"input": "ct.nrrd", "files": {path.name: digest(path)}}
    doubt = Labelmap(np.zeros(SHAPE, np.uint8), truth.grid)
    doubt.array[:, :25] = 90  # the front
    write_labelmap(doubt, folder / "unc.nii.gz")
    report = {"run": run, "organs": organs}
    (folder / "organs.report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(case):
    """The command, serving; its address."""
    words = [sys.executable, "-m", "FlareSegLib", "view", str(case), "--no-browser"]
    words += ["--uncertainty", str(case / "unc.nii.gz")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.said_first = process.stderr.readline()
    line = process.stdout.readline()
    process.address = re.match(r"http://127\.0\.0\.1:\d+/", line)[0]
    yield process
    process.send_signal(signal.SIGINT)
    assert process.wait(20) in (0, 128 + signal.SIGINT)
    process.said_later = process.stderr.read()
    process.stdout.close()
    process.stderr.close()


@pytest.fixture(scope="module")
def page(server):
    """The page in Chromium, with all that it asked for."""
    with browser.new_page(viewport=SIZE) as page:
        page.goto(server.address)
        page.get_by_label("left kidney").wait_for()
        yield page


def wait_for(page, true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        page.wait_for_timeout(200)


def colored(page):
    """Return the share of colored pixels in each of the four views."""
    is_colored = np.ptp(views(page, "RGB"), axis=2) > GRAY
    return [part.mean() for half in np.array_split(is_colored, 2) for part in halves(half)]


def bright(page):
    """Return the mean gray of the four views."""
    return views(page, "L").mean()


def views(page, mode):
    """Return a picture of the four views, (y, x) of gray or (y, x, RGB)."""
    from PIL import Image

    picture = np.array(Image.open(io.BytesIO(page.screenshot())).convert(mode), int)
    return picture[BAR_PIXELS:, DRAWER_PIXELS:]


def halves(array):
    return np.array_split(array, 2, axis=1)


def test_four_views_show_the_organs_in_their_colors(page):
    wait_for(page, lambda: min(colored(page)) > LEAST_SHARE)
    assert page.locator("img.image-display-area").count() == 4
    assert page.title() == "FlareSeg - organs.nii.gz"
    assert page.get_by_text("Research use only, not a medical device").is_visible()
    labels = page.locator(".v-checkbox").all_inner_texts()
    assert page.get_by_text("implausible volume").is_visible()
    assert [label.strip() for label in labels] == [organ.name for organ in ORGANS]


def test_an_organ_that_is_unticked_disappears(page):
    wait_for(page, lambda: min(colored(page)) > LEAST_SHARE)
    before = colored(page)
    page.get_by_label("liver").click()
    wait_for(page, lambda: sum(colored(page)) < 0.8 * sum(before))
    page.get_by_label("liver").click()
    wait_for(page, lambda: np.allclose(colored(page), before, atol=0.01))


def test_sides_and_place_stand_on_each_slice_and_the_place_follows_the_slider(page):
    words = {
        side: page.locator(f".slice-{side}").all_inner_texts()
        for side in ("left", "right", "top", "bottom")
    }
    coronal, sagittal, axial = zip(*words.values(), strict=True)
    assert coronal == ("R", "L", "S", "I")
    assert sagittal == ("A", "P", "S", "I")
    assert axial == ("R", "L", "A", "P")
    places = page.locator(".slice-place")
    press(page, places.nth(2))  # from the middle of the organs to a slice
    said = places.all_inner_texts()
    for place, letters in zip(said, ("AP", "RL", "SI"), strict=True):
        assert re.fullmatch(rf"[{letters}] \d+\.\d mm", place)
    press(page, places.nth(2))
    moved = mm(places.nth(2).inner_text()) - mm(said[2])
    assert abs(moved) == pytest.approx(SPACING_MM[0], abs=0.11)


def press(page, place):
    """Move the axial slice by one, and wait until its place says so."""
    before = place.inner_text()
    page.locator(".slice-slider [role=slider]").nth(2).press("ArrowRight")
    wait_for(page, lambda: place.inner_text() != before)


def mm(place):
    """Return the place of an axial slice toward S."""
    return float(place.split()[1]) * (1 if place[0] == "S" else -1)


def test_windows_change_the_gray_of_tissue_and_opacity_hides_the_organs(page):
    wait_for(page, lambda: min(colored(page)) > LEAST_SHARE)
    before, colors = bright(page), sum(colored(page))
    page.get_by_role("button", name="lung").click()
    wait_for(page, lambda: bright(page) > before + 10)
    page.get_by_role("button", name="soft tissue").click()
    wait_for(page, lambda: abs(bright(page) - before) < 2)
    slider = page.locator(".opacity [role=slider]")
    for _ in range(10):
        slider.press("ArrowLeft")
    wait_for(page, lambda: sum(colored(page)) < 0.8 * colors)
    for _ in range(10):
        slider.press("ArrowRight")
    wait_for(page, lambda: sum(colored(page)) > 0.95 * colors)


def test_the_list_has_volumes_and_flags(page):
    lines = page.locator(".v-navigation-drawer").inner_text()
    exact = organ_ml("liver", tuple(n * mm for n, mm in zip(SHAPE, SPACING_MM, strict=True)))
    said = re.search(r"liver\s+(\d+) ml", lines)[1]
    assert float(said) == pytest.approx(exact, rel=0.05)
    assert re.search(r"spleen\s+\d+ ml\s+implausible volume", lines)
    assert re.search(r"aorta\s+\d+ ml\s+cut", lines)
    assert re.search(r"left adrenal gland\s+\d\.\d ml", lines)


def test_it_says_at_once_that_it_starts(server):
    assert server.said_first.startswith("the viewer starts")


def test_nothing_is_asked_of_other_computers(page, server):
    assert len(page.asked) > 5
    assert {url.split(":", 1)[0] for url in page.asked} <= {"http", "ws", "blob", "data"}
    addresses = [url for url in page.asked if url.startswith(("http:", "ws:"))]
    assert all(url.split("//")[1].startswith("127.0.0.1:") for url in addresses)
    assert page.problems == []


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="127.0.0.2 is Linux's")  # noqa: PTH112
def test_the_server_listens_on_this_address_alone(server):
    port = int(re.search(r":(\d+)/", server.address)[1])
    with socket.socket() as one:
        one.connect(("127.0.0.1", port))
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


def test_the_switch_shows_doubt_over_the_slices_and_takes_it_away(page):
    wait_for(page, lambda: min(colored(page)) > LEAST_SHARE)
    before = colored(page)
    switch = page.locator(".doubt input")
    switch.click()
    wait_for(page, lambda: sum(colored(page)) > sum(before) + 0.2)
    switch.click()
    wait_for(page, lambda: np.allclose(colored(page), before, atol=0.01))
