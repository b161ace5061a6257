"""A real browser for tests: Chromium on the path, driven by Playwright."""

import shutil
from contextlib import contextmanager
from importlib.util import find_spec

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
MISSING = [] if find_spec("playwright") else ["playwright"]
MISSING += [] if CHROMIUM else ["chromium"]
"""What is not installed, for the reason of a skip."""


@contextmanager
def new_page(**options):
    """Give a page: page.problems are errors and warnings of its console, page.asked its URLs."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(**options)
        page.set_default_timeout(60_000)
        page.asked, page.problems = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda said: _note(page, said))
        yield page
        browser.close()


def _note(page, said):
    if said.type in ("error", "warning"):
        page.problems.append(f"{said.text} ({said.location})")
