"""The viewer in a real browser: Chromium, driven by Playwright.

    make view-test

Skipped where trame-slicer, Playwright or Chromium are not installed.
"""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest

from Testing.flare import ORGANS
from Testing.phantoms import abdomen

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MISSING = [name for name in ("trame_slicer", "playwright") if find_spec(name) is None]
MISSING += [] if CHROMIUM else ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"the viewer's test lacks {', '.join(MISSING)}"),
]
SHAPE, SPACING_MM = (60, 60, 70), (5.0, 5.0, 5.0)
SIZE = {"width": 1200, "height": 800}
DRAWER_PIXELS, BAR_PIXELS = 215, 50
LEAST_SHARE = 0.003
"""The sagittal view shows two small organs."""
GRAY = 40
"""Red, green and blue of a pixel of the CT differ by less."""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A phantom CT with its organs, as a run leaves them."""
    import SimpleITK as sitk

    from FlareSegLib.images.writing import write_labelmap

    folder = tmp_path_factory.mktemp("ž case")
    volume, truth = abdomen(SHAPE, SPACING_MM)
    write_labelmap(truth, folder / "organs.nii.gz")
    image = sitk.GetImageFromArray(volume.array)
    image.CopyInformation(sitk.ReadImage(str(folder / "organs.nii.gz")))
    sitk.WriteImage(image, str(folder / "ct.nrrd"))
    report = {"run": {"input": "ct.nrrd"}}
    (folder / "organs.report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(case):
    """The command, serving; its address."""
    words = [sys.executable, "-m", "FlareSegLib", "view", str(case), "--no-browser"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    process.address = re.match(r"http://127\.0\.0\.1:\d+/", line)[0]
    yield process
    process.send_signal(signal.SIGINT)
    assert process.wait(20) in (0, 128 + signal.SIGINT)
    process.stdout.close()


@pytest.fixture(scope="module")
def page(server):
    """The page in Chromium, with all that it asked for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(server.address)
        page.get_by_text("liver").wait_for(timeout=60_000)
        yield page
        browser.close()


def wait_for(page, true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        page.wait_for_timeout(200)


def colored(page):
    """Return the share of colored pixels in each of the four views."""
    from PIL import Image

    picture = np.array(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), int)
    views = picture[BAR_PIXELS:, DRAWER_PIXELS:]
    is_colored = np.ptp(views, axis=2) > GRAY
    return [part.mean() for half in np.array_split(is_colored, 2) for part in halves(half)]


def halves(array):
    return np.array_split(array, 2, axis=1)


def test_four_views_show_the_organs_in_their_colors(page):
    wait_for(page, lambda: min(colored(page)) > LEAST_SHARE)
    assert page.locator("img.image-display-area").count() == 4
    assert page.title() == "FlareSeg - organs.nii.gz"
    assert page.get_by_text("Research use only, not a medical device").is_visible()
    labels = page.locator(".v-checkbox").all_inner_texts()
    assert [label.strip() for label in labels] == [organ.name for organ in ORGANS]


def test_an_organ_that_is_unticked_disappears(page):
    wait_for(page, lambda: min(colored(page)) > LEAST_SHARE)
    before = colored(page)
    page.get_by_label("liver").click()
    wait_for(page, lambda: sum(colored(page)) < 0.8 * sum(before))
    page.get_by_label("liver").click()
    wait_for(page, lambda: np.allclose(colored(page), before, atol=0.01))


def test_nothing_is_asked_of_other_computers(page, server):
    assert len(page.asked) > 5
    assert {url.split(":", 1)[0] for url in page.asked} <= {"http", "ws", "blob", "data"}
    addresses = [url for url in page.asked if url.startswith(("http:", "ws:"))]
    assert all(url.split("//")[1].startswith("127.0.0.1:") for url in addresses)
    assert not page.errors


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="127.0.0.2 is Linux's")  # noqa: PTH112
def test_the_server_listens_on_this_address_alone(server):
    port = int(re.search(r":(\d+)/", server.address)[1])
    with socket.socket() as one:
        one.connect(("127.0.0.1", port))
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))
