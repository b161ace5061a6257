"""The picture of a cohort's page for docs/cluster.md: phantoms of many sizes, run and shown.

python -m Testing.batch.picture docs/images/cohort.png
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.batch.cases import find_cases
from FlareSegLib.batch.plan import Plan
from FlareSegLib.batch.run import run_batch
from FlareSegLib.images.writing import to_image
from Testing.browser import new_page
from Testing.phantoms import abdomen
from Testing.tiny_model import threshold_model, write_model

COUNT, BAD = 60, 3
SHAPE, SPACING_MM = (80, 76, 96), 4.0
SIZE = {"width": 1200, "height": 1900}


def main(path: str) -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cts(folder / "cts")
        model = write_model(
            folder / "phantom model", threshold_model((24, 24, 24)), spacing_mm=(4.0,) * 3
        )
        output = folder / "phantom cohort"
        options = RunOptions(clean=False, centre_first=False, runtime="onnxruntime", threads=2)
        run_batch(find_cases(folder / "cts"), Plan(output, model, options, with_page=True))
        with new_page(viewport=SIZE) as page:
            page.goto((output / "cohort.html").as_uri())
            page.get_by_text("accept", exact=True).first.click()
            page.locator("summary", has_text="organs").nth(1).click()
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=path)
            print(*page.problems, (output / "cohort.html").stat().st_size, "bytes")


def write_cts(folder: Path) -> None:
    """Write phantoms that differ, two of them mirrored, and some files that are no image."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for i in range(COUNT):
        size = chance.normal(1, 0.05, 3).clip(0.8, 1.3) * (1.35 if i == 41 else 1)
        shape = tuple((SHAPE * size).astype(int).tolist())
        volume, labels = abdomen(shape, (SPACING_MM,) * 3, noise_hu=1.5, seed=i)
        image = sitk.GetImageFromArray(volume.array[..., ::-1] if i in (17, 33) else volume.array)
        image.CopyInformation(to_image(labels))
        sitk.WriteImage(image, str(folder / f"phantom_{i:02}.nrrd"))
    for i in range(BAD):
        (folder / f"damaged_{i}.nii.gz").write_bytes(b"no image")


if __name__ == "__main__":
    main(*sys.argv[1:])
