"""What README and docs show in sh blocks runs, page by page, from top to bottom, as written.

Blocks of kind console need what a test has not: DICOM of the reader's own, a browser, a network.
The sample is a phantom of the size of a CT here: nothing is downloaded.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from FlareSegLib.images.writing import to_image
from Testing.phantoms import abdomen

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/outputs.md", "docs/compare.md")
FETCH = "flareseg sample -o demo"
MADE = {"docs/compare.md": ("before.nii.gz", "after.nii.gz")}
"""Files that a page takes for granted, each with its report."""


def blocks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        block for kind, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL) if kind == "sh"
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with the sample, and flareseg on the path."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "bin").mkdir()
    program = folder / "bin" / "flareseg"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m FlareSegLib "$@"\n')
    program.chmod(0o755)
    volume, labelmap = abdomen((64, 100, 120), (5.0, 3.0, 3.2))
    image = sitk.GetImageFromArray(volume.array)
    image.CopyInformation(to_image(labelmap))
    (folder / "demo").mkdir()
    sitk.WriteImage(image, str(folder / "demo" / "sample_ct.nii.gz"))
    return folder


def sh(line, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the blocks are for sh")
@pytest.mark.parametrize("page", PAGES)
def test_every_sh_block_runs_from_top_to_bottom(world, page):
    pytest.importorskip("matplotlib", reason="extra preview is not installed")
    for name in MADE.get(page, ()):
        done = sh(f"flareseg segment demo/sample_ct.nii.gz -o {name} --quiet", world)
        assert done.returncode == 0, done.stderr
    lines = [
        line.partition(" #")[0].strip() for block in blocks(page) for line in block.splitlines()
    ]
    ran = [line for line in lines if line and line != FETCH]
    assert ran
    for line in ran:
        done = sh(line, world)
        assert done.returncode == 0, f"{page}: {line}\n{done.stdout}\n{done.stderr}"


def test_pages_of_the_site_exist():
    nav = re.findall(r": (\S+\.md)", (ROOT / "mkdocs.yml").read_text("utf-8"))
    made = {"index.md", "command.md"}
    assert [page for page in nav if page not in made and not (ROOT / "docs" / page).exists()] == []
