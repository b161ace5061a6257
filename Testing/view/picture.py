"""A picture of the viewer for the README: the page in Chromium.

python -m Testing.view.picture CASE docs/images/view.png
"""

import re
import shutil
import subprocess
import sys

SIZE = {"width": 1200, "height": 760}
SETTLE_MILLISECONDS = 5000
"""The pictures of the views come one after the other, coarse ones first."""


def main(case: str, path: str) -> None:
    """Serve a case, and save what the browser shows."""
    from playwright.sync_api import sync_playwright

    words = [sys.executable, "-m", "FlareSegLib", "view", case, "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        address = re.match(r"http\S+", server.stdout.readline())[0]
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE)
            page.goto(address)
            page.locator("img.image-display-area").nth(3).wait_for(timeout=60_000)
            page.wait_for_timeout(SETTLE_MILLISECONDS)
            page.screenshot(path=path)
            browser.close()
        server.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
