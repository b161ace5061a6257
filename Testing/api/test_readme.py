"""The Python of README and docs runs as it stands, with the model that ships, on phantoms."""

import pytest
import SimpleITK as sitk

from Testing.docs.pages import PAGES, blocks
from Testing.phantoms import abdomen

CODES = [
    pytest.param(block.text, page, id=f"{page}:{block.line}")
    for page in PAGES
    for block in blocks(page)
    if block.kind == "python" and not block.reason
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the files that the pages speak of."""
    volume, labels = abdomen((40, 38, 48), (8.0, 8.0, 8.0))
    names = dict.fromkeys(("ct.nii.gz", "ct.nrrd", "cts/a.nii.gz"), volume)
    for name, one in {**names, "organs.nii.gz": labels}.items():
        image = sitk.GetImageFromArray(one.array)
        image.SetSpacing(volume.grid.spacing_mm[::-1])
        image.SetOrigin((-190.0, -150.0, -160.0))  # the boxes of docs/prompt.md lie in it
        (tmp_path / name).parent.mkdir(exist_ok=True)
        sitk.WriteImage(image, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_pages_show_python():
    shown = {code.values[1] for code in CODES}
    assert {"docs/use.md", "docs/prompt.md", "docs/cluster.md"} <= shown


@pytest.mark.parametrize(("code", "page"), CODES)
def test_the_code_runs(code, page, place):
    exec(compile(code, page, "exec"), {})  # what a reader would type


def test_the_first_code_writes_what_it_says(place):
    first = next(block for block in blocks("docs/use.md") if block.kind == "python")
    exec(compile(first.text, "docs/use.md", "exec"), {})
    assert (place / "organs.seg.nrrd").is_file()
