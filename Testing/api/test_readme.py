"""The Python of the README runs as it stands, with the model that ships, on phantoms."""

import re
from pathlib import Path

import pytest
import SimpleITK as sitk

from Testing.phantoms import abdomen

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
CODES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
OURS = [code for code in CODES if "slicer" not in code]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the files that the README speaks of."""
    volume = abdomen((40, 38, 48), (8.0, 8.0, 8.0))[0]
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    image.SetOrigin((-190.0, -150.0, -160.0))  # the boxes of the README lie in it
    for name in ("ct.nii.gz", "ct.nrrd", "cts/a.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        sitk.WriteImage(image, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_shows_python():
    assert len(OURS) >= 3


@pytest.mark.parametrize("code", OURS)
def test_the_code_runs(code, place):
    exec(compile(code, "README.md", "exec"), {})  # what a reader would type


def test_the_first_code_writes_what_it_says(place):
    exec(compile(OURS[0], "README.md", "exec"), {})
    assert (place / "organs.seg.nrrd").is_file()
