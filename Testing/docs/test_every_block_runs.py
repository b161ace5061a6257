"""What README and docs show runs, page by page, from top to bottom, as written.

A block that needs what a test has not is marked in the page's source, on the line above it:

    <!-- not run: Slicer -->

NOT_RUN counts these marks. The sample is a phantom here: nothing is downloaded.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from FlareSegLib.base.label_file import read_label_file
from Testing.docs import reader
from Testing.docs.pages import PAGES, ROOT, blocks

NOT_RUN = {
    "a browser": 1,
    "a cluster": 2,
    "a developer's tools": 1,
    "a GPU": 1,
    "a network": 1,
    "a PACS": 2,
    "hours": 2,
    "Slicer": 3,
    "torch and nnunetv2": 1,
}
"""Why blocks are not run, and how many of each."""
RUN, READ, SHOWN = ("sh", "python"), ("json",), ("text", "")
FETCH = "flareseg sample -o demo"
"""Would download; the phantom is there already."""
MADE = {"docs/compare.md": ("before.nii.gz", "after.nii.gz")}
"""Labelmaps that a page takes for granted, each with its report."""


def to_run(page):
    return [one for one in blocks(page) if one.kind in RUN and not one.reason]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with the files of a reader, and flareseg on the path."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "bin").mkdir()
    program = folder / "bin" / "flareseg"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m FlareSegLib "$@"\n')
    program.chmod(0o755)
    reader.write_all(folder)
    return folder


def run(words, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )


def words_of(block):
    if block.kind == "python":
        return [sys.executable, "-c", block.text]
    return ["sh", "-exc", block.text.replace(FETCH, "true")]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the blocks are for sh")
@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page)])
def test_every_block_runs_from_top_to_bottom(world, page):
    pytest.importorskip("matplotlib", reason="extra preview is not installed")
    for name in MADE.get(page, ()):
        words = ["flareseg", "segment", "demo/sample_ct.nii.gz", "-o", name, "--quiet"]
        assert run(["sh", "-c", " ".join(words)], world).returncode == 0
    for block in to_run(page):
        done = run(words_of(block), world)
        assert done.returncode == 0, f"{page}:{block.line}\n{done.stdout}\n{done.stderr}"


def test_blocks_that_are_not_run_are_marked_and_counted():
    found = Counter(one.reason for page in PAGES for one in blocks(page) if one.reason)
    assert found == NOT_RUN


def test_every_block_says_of_what_kind_it_is():
    unknown = [
        f"{page}:{one.line} {one.kind}"
        for page in PAGES
        for one in blocks(page)
        if not one.reason and one.kind not in (*RUN, *READ, *SHOWN)
    ]
    assert unknown == []


def test_no_command_hides_in_a_block_that_only_shows_something():
    hidden = [
        f"{page}:{one.line}"
        for page in PAGES
        for one in blocks(page)
        if one.kind in SHOWN and re.search(r"^(flareseg|pip|python|make|curl) ", one.text, re.M)
    ]
    assert hidden == []


def test_blocks_of_json_can_be_read(tmp_path):
    for page in PAGES:
        for one in blocks(page):
            if one.kind == "json":
                json.loads(one.text)
    (labels,) = (one for one in blocks("docs/labels.md") if one.kind == "json")
    (tmp_path / "labels.json").write_text(labels.text, encoding="utf-8")
    found = read_label_file(tmp_path / "labels.json").organs
    assert {one.key: one.value for one in found} == {
        "left_lung": 10, "right_lung": 11, "heart": 3
    }  # fmt: skip
