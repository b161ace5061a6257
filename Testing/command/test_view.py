"""flareseg view: which CT and labelmap a case is, and what is said where it cannot be shown."""

import json
from importlib.util import find_spec

import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.command.main import main
from FlareSegLib.images.case_files import to_view
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.reporting import view
from Testing.flare import FLARE
from Testing.phantoms import abdomen

SHAPE, SPACING_MM = (17, 19, 23), (8.0, 7.0, 6.0)


def write_case(folder, name="organs", ct="ct.nrrd"):
    """Write what a run leaves: a labelmap, and a report that names the CT."""
    folder.mkdir(parents=True, exist_ok=True)
    write_labelmap(abdomen(SHAPE, SPACING_MM)[1], folder / f"{name}.seg.nrrd", labels=FLARE)
    report = {"run": {"input": ct}}
    (folder / f"{name}.report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder / f"{name}.seg.nrrd"


def test_a_folder_with_one_result_is_a_case(tmp_path):
    labelmap = write_case(tmp_path / "ž case")
    ct = labelmap.parent / "ct.nrrd"
    ct.touch()
    assert to_view(labelmap.parent) == (ct, labelmap)
    assert to_view(labelmap) == (ct, labelmap)


def test_a_ct_elsewhere_must_be_named(tmp_path):
    labelmap, ct = write_case(tmp_path), tmp_path / "elsewhere" / "ct.nrrd"
    with pytest.raises(InputError, match=r"ct.nrrd is not there, .* --ct"):
        to_view(labelmap)
    assert to_view(labelmap, ct) == (ct, labelmap)


def test_of_several_results_one_must_be_named(tmp_path):
    write_case(tmp_path, "a")
    write_case(tmp_path, "b")
    with pytest.raises(InputError, match=r"2 results \(a.seg.nrrd, b.seg.nrrd\): name one"):
        to_view(tmp_path)


def test_folders_and_files_without_a_result_are_refused(tmp_path):
    with pytest.raises(InputError, match="no result"):
        to_view(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        to_view(tmp_path / "organs.nii.gz")


@pytest.mark.parametrize("text", ["[]", "{}", "no json", '{"run": 3}'])
def test_a_report_that_names_no_ct_asks_for_it(tmp_path, text):
    labelmap = write_case(tmp_path)
    (tmp_path / "organs.report.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="name the CT with --ct"):
        to_view(labelmap)


@pytest.mark.parametrize("shift_mm", [0.0, 2.0, 4.0])
def test_a_labelmap_of_another_ct_is_refused(tmp_path, shift_mm):
    """Half of the least spacing, 3 mm, is rounding; more is another grid."""
    from dataclasses import replace

    grid = abdomen(SHAPE, SPACING_MM)[0].grid
    x, y, z = grid.origin
    moved = replace(grid, origin=(x, y, z + shift_mm))
    if shift_mm < 3.0:
        view._check_grids(grid, moved, tmp_path / "organs.nrrd")
        return
    with pytest.raises(InputError, match="not on the grid of the CT"):
        view._check_grids(grid, moved, tmp_path / "organs.nrrd")
    with pytest.raises(InputError, match="not on the grid of the CT"):
        view._check_grids(grid, replace(grid, shape=(17, 19, 24)), tmp_path / "organs.nrrd")


@pytest.mark.skipif(find_spec("trame_slicer") is not None, reason="the viewer is installed")
def test_without_its_packages_the_command_says_how_to_get_them(tmp_path, capsys):
    labelmap = write_case(tmp_path)
    (tmp_path / "ct.nrrd").touch()
    assert main(["view", str(labelmap)]) == 1
    assert "pip install 'trame-slicer>=2.0'" in capsys.readouterr().err
