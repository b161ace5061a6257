"""NRRD and MetaImage files that do not say their spacing, and small things that do no harm."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.reading import last_line, read_volume
from Testing.dicom_series import ct_array

CASES = Path(__file__).parents[3] / "shared" / "cases"
NRRD = {"type": "int16", "dimension": "3", "sizes": "24 20 18", "encoding": "raw",
        "endian": "little"}  # fmt: skip
SPACED = {"spacings": "0.5 0.75 2.5"}


def write_nrrd(folder, **fields):
    lines = ["NRRD0004", *(f"{key}: {value}" for key, value in (NRRD | fields).items())]
    data = ct_array().tobytes()
    (folder / "ct.raw").write_bytes(data)
    path = folder / ("ct.nhdr" if "data file" in fields else "ct.nrrd")
    inside = b"" if "data file" in fields else data
    path.write_bytes("\n".join([*lines, "", ""]).encode() + inside)
    return path


def write_meta(folder, **fields):
    known = {"NDims": "3", "DimSize": "24 20 18", "ElementType": "MET_SHORT"}
    fields = {key: value for key, value in fields.items() if value}
    lines = [f"{key} = {value}" for key, value in (known | fields).items()]
    (folder / "ct.raw").write_bytes(ct_array().tobytes())
    data = fields.get("ElementDataFile")
    lines += [] if data else ["ElementDataFile = ct.raw"]
    path = folder / "ct.mhd"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"spacings": "0.5 0.75"},
        {"spacings": "nan nan nan"},
        {"spacings": "0.5 0.75 0"},
        {"space": "left-posterior-superior", "space origin": "(0,0,0)"},
        {"space": "left-posterior-superior", "space directions": "none none none"},
    ],
)
def test_a_nrrd_without_spacing_is_refused(tmp_path, fields):
    with pytest.raises(InputError, match="no voxel spacing"):
        read_volume(write_nrrd(tmp_path, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {
            "space": "right-anterior-superior",
            "space directions": "(-0.5,0,0) (0,-0.75,0) (0,0,2.5)",
        },
        {"space": "left-posterior-superior", "space directions": "(0.5,0,0) (0,.75,0) (0,0,25e-1)"},
        {**SPACED, "data file": "./ct.raw"},
        {**SPACED, "sample units": "HU"},
        {**SPACED, "byte skip": "0", "line skip": "0"},
        {**SPACED, "content": "Bäuche über alles"},
    ],
)
def test_a_nrrd_with_spacing_is_read_whatever_else_it_says(tmp_path, fields):
    volume = read_volume(write_nrrd(tmp_path, **fields))
    np.testing.assert_array_equal(volume.array, ct_array())
    np.testing.assert_allclose(volume.grid.spacing_mm, (2.5, 0.75, 0.5))


def test_a_nrrd_with_a_skip_is_refused_as_such(tmp_path):
    with pytest.raises(InputError, match="without skips"):
        read_volume(write_nrrd(tmp_path, **SPACED, **{"byte skip": "-1"}))


def test_a_meta_image_without_spacing_is_refused(tmp_path):
    with pytest.raises(InputError, match="no voxel spacing"):
        read_volume(write_meta(tmp_path))


@pytest.mark.parametrize(
    "fields",
    [
        {"ElementSpacing": "0.5 0.75 2.5"},
        {"ElementSize": "0.5 0.75 2.5"},
        {"ElementSpacing": "0.5 0.75 2.5", "ElementDataFile": "./ct.raw"},
    ],
)
def test_a_meta_image_with_spacing_is_read(tmp_path, fields):
    volume = read_volume(write_meta(tmp_path, **fields))
    np.testing.assert_array_equal(volume.array, ct_array())
    np.testing.assert_allclose(volume.grid.spacing_mm, (2.5, 0.75, 0.5))


def test_a_meta_image_with_a_header_size_is_refused_as_such(tmp_path):
    with pytest.raises(InputError, match="HeaderSize = -1: save it anew"):
        read_volume(write_meta(tmp_path, ElementSpacing="0.5 0.75 2.5", HeaderSize="-1"))


def test_messages_have_no_pointers_and_no_folders():
    text = "a\nITK ERROR: NiftiImageIO(0x563a871cba30): /full/path/n7.nii.gz is not recognized"
    assert last_line(text) == "n7.nii.gz is not recognized"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("c1_no_qform_no_sform.nii.gz", None),
        ("c3_scl_slope_nan.nii.gz", None),
        ("c4_pixdim4_nan.nii.gz", None),
        ("c6_nifti2.nii.gz", None),
        ("d1_no_spacing.nrrd", "no voxel spacing"),
        ("d2_dot_slash.nhdr", None),
    ],
)
def test_the_files_of_others_are_read_or_refused(name, words):
    if not CASES.is_dir():
        pytest.skip("../shared/cases is not there")
    if words:
        with pytest.raises(InputError, match=words):
            read_volume(CASES / name)
    else:
        assert min(read_volume(CASES / name).grid.shape) >= 16


def test_what_simpleitk_writes_has_a_spacing(tmp_path):
    for ending in ("nrrd", "mha", "nii"):
        sitk.WriteImage(sitk.GetImageFromArray(ct_array()), str(tmp_path / f"ct.{ending}"))
        assert read_volume(tmp_path / f"ct.{ending}").grid.spacing_mm == (1.0, 1.0, 1.0)
