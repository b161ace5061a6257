"""NRRD and MetaImage files that do not say their spacing, and small things that do no harm."""

import zlib
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


def odd_meta(folder, *, packed="", order="<", kind="i2", front=b"", **fields):
    """Write a MetaImage; packed: LOCAL, or a file beside it, or nothing for raw voxels."""
    voxels = ct_array().astype(order + kind).tobytes()
    known = {"NDims": "3", "DimSize": "24 20 18", "ElementSpacing": "0.5 0.75 2.5",
             "ElementType": {"i2": "MET_SHORT", "f4": "MET_FLOAT"}[kind],
             "ElementByteOrderMSB": str(order == ">")}  # fmt: skip
    if packed:
        voxels = zlib.compress(voxels)
        known |= {"CompressedData": "True", "CompressedDataSize": str(len(voxels))}
    data = fields.pop("ElementDataFile", "LOCAL")
    lines = [f"{key} = {value}" for key, value in {**known, **fields}.items()]
    content = "\n".join([*lines, f"ElementDataFile = {data}", ""]).encode()
    path = folder / "ct.mhd"
    path.write_bytes(content + (front + voxels if data == "LOCAL" else b""))
    if data != "LOCAL":
        (folder / data).write_bytes(front + voxels)
    return path


LONG = "Portal venous phase, 5 mm, Ärztin %s%n " * 20


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["i2", "f4"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("data", ["LOCAL", "ct.raw"])
@pytest.mark.parametrize("texts", [{"Comment": LONG}, {"Origin_of_scan": LONG}, {"Name": "a\tb"}])
def test_long_and_odd_texts_in_a_meta_image_do_no_harm(tmp_path, order, kind, packed, data, texts):
    path = odd_meta(tmp_path, packed=packed, order=order, kind=kind, ElementDataFile=data, **texts)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, ct_array())
    path = odd_meta(tmp_path, packed=packed, order=order, kind=kind, ElementDataFile=data)
    expected = read_volume(path)
    np.testing.assert_array_equal(volume.array, expected.array)
    assert volume.grid == expected.grid


@pytest.mark.parametrize("key", ["ElementType", "DimSize", "TransformMatrix", "no name", "ä"])
def test_long_values_of_what_counts_are_refused(tmp_path, key):
    with pytest.raises(InputError, match="damaged header"):
        read_volume(odd_meta(tmp_path, **{key: LONG}))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("front", [b"", b"the header of a scanner"])
@pytest.mark.parametrize("data", ["LOCAL", "ct.raw"])
def test_voxels_at_the_end_of_their_file_are_read(tmp_path, order, front, data):
    """HeaderSize = -1 says so."""
    fields = {"HeaderSize": "-1", "ElementDataFile": data}
    path = odd_meta(tmp_path, order=order, front=front, **fields)
    np.testing.assert_array_equal(read_volume(path).array, ct_array())


@pytest.mark.parametrize(("size", "packed"), [("-1", True), ("23", False), ("-2", False)])
def test_other_sizes_of_a_header_are_refused_as_such(tmp_path, size, packed):
    with pytest.raises(InputError, match=f"HeaderSize = {size}: save it anew"):
        read_volume(odd_meta(tmp_path, packed=packed, HeaderSize=size))


@pytest.mark.parametrize(
    ("packed", "fields"),
    [(False, {"Comment": LONG}), (True, {"Comment": LONG}), (False, {"HeaderSize": "-1"})],
)
def test_odd_meta_images_that_are_cut_off_are_refused(tmp_path, packed, fields):
    path = odd_meta(tmp_path, packed=packed, ElementDataFile="ct.raw", **fields)
    data = tmp_path / "ct.raw"
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(InputError, match="cut off or damaged"):
        read_volume(path)


@pytest.mark.parametrize("even", ["ct_Eq.nii.gz", "ct_Eq_1.nii.gz", "ct_Tilt_Eq_1.nii", None])
@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii"])
def test_a_file_of_uneven_slices_says_that_an_even_one_lies_beside(tmp_path, name, even):
    image = sitk.GetImageFromArray(ct_array())
    sitk.WriteImage(image, str(tmp_path / name))
    for other in (even, "ct2_Eq.nii.gz", "ct_Equal.nii.gz"):
        if other:
            sitk.WriteImage(image, str(tmp_path / other))
    said = read_volume(tmp_path / name).warnings
    if even is None:
        assert said == ()
        return
    assert len(said) == 1
    assert said[0].startswith(f"{even} lies beside it: dcm2niix has made it")
    assert read_volume(tmp_path / even).warnings == ()


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
