"""A picture of the viewer for docs/use.md: a phantom, or a case of your own, in Chromium.

python -m Testing.view.picture docs/images/view.png [CASE]
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from FlareSegLib.base.atomic import digest
from FlareSegLib.images.writing import write_labelmap
from Testing.browser import new_page
from Testing.phantoms import abdomen, save

SIZE = {"width": 1300, "height": 760}
SETTLE_MILLISECONDS = 5000
"""The pictures of the views come one after the other, coarse ones first."""


def main(path: str, case: str | None = None) -> None:
    """Serve a case, and save what the browser shows."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "FlareSegLib", "view", case or phantom(Path(folder))]
        with subprocess.Popen(
            [*words, "--no-browser"], stdout=subprocess.PIPE, text=True
        ) as server:
            address = re.match(r"http\S+", server.stdout.readline())[0]
            with new_page(viewport=SIZE) as page:
                page.goto(address)
                page.locator("img.image-display-area").nth(3).wait_for()
                page.wait_for_timeout(SETTLE_MILLISECONDS)
                page.screenshot(path=path)
                print(*page.problems)
            server.terminate()


def phantom(folder: Path) -> str:
    """Write a phantom CT with its organs, and a report that flags some; return the folder."""
    volume, labels = abdomen((160, 150, 190), (2.0, 2.0, 2.0), noise_hu=8.0)
    write_labelmap(labels, folder / "phantom_organs.nii.gz")
    save(volume, folder / "phantom.nrrd")
    files = {"phantom_organs.nii.gz": digest(folder / "phantom_organs.nii.gz")}
    organs = [
        {"key": key, "name": key, "value": value, "flags": {"touches_border": ""}}
        for value, key in ((5, "aorta"), (6, "inferior_vena_cava"))
    ]
    report = {"run": {"input": "phantom.nrrd", "files": files}, "organs": organs}
    (folder / "phantom_organs.report.json").write_text(json.dumps(report), encoding="utf-8")
    return str(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
