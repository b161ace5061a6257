"""A labelmap of a NIfTI lies where its CT lies, in every program; the oracle is nibabel."""

import itertools
import struct

import numpy as np
import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.images.writing import write_labelmap
from Testing.dicom_series import ct_array

nib = pytest.importorskip("nibabel", reason="nibabel is not installed")
QFORM = np.array([[-0.5, 0, 0, 12.5], [0, 0.75, 0, -31], [0, 0, 2.5, 100], [0, 0, 0, 1]])
GEOMETRY = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x",
            "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units")  # fmt: skip


def turned(degrees):
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ QFORM


def write_ct(path, *, qcode=1, scode=1, qform=QFORM, sform=QFORM, unit="mm", array=None, **fields):
    array = ct_array().T if array is None else array
    image = nib.Nifti1Image(array, None)
    header = image.header
    header.set_qform(qform, code=qcode, strip_shears=True)
    header.set_sform(sform, code=scode)
    header["qform_code"], header["sform_code"] = qcode, scode
    header.set_xyzt_units(unit, "sec")
    for key, value in fields.items():
        header[key] = value
    nib.save(image, path)
    return path


def segmented(path, out):
    """Return the CT as read, after a labelmap was written on its grid."""
    volume = read_volume(path)
    write_labelmap(Labelmap((volume.array > 0).astype(np.uint8), volume.grid), out)
    return volume


def assert_same_place(ct, labelmap):
    ct, labelmap = nib.load(ct), nib.load(labelmap)
    np.testing.assert_array_equal(labelmap.affine, ct.affine)
    assert labelmap.shape == ct.shape[:3]
    for key in GEOMETRY:
        np.testing.assert_array_equal(labelmap.header[key], ct.header[key], err_msg=key)
    np.testing.assert_array_equal(labelmap.header["pixdim"][:4], ct.header["pixdim"][:4])
    voxels = np.asanyarray(labelmap.dataobj)
    np.testing.assert_array_equal(voxels, np.asanyarray(ct.dataobj).reshape(voxels.shape) > 0)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("qcode", "scode"), list(itertools.product(range(5), range(5))))
def test_a_labelmap_has_the_forms_and_codes_of_its_ct(tmp_path, qcode, scode, ending):
    ct = write_ct(tmp_path / "ct.nii.gz", qcode=qcode, scode=scode)
    volume = segmented(ct, tmp_path / f"out{ending}")
    assert_same_place(ct, tmp_path / f"out{ending}")
    assert any("left and right" in said for said in volume.warnings) == (qcode == scode == 0)


MOVED = QFORM + np.outer([20, 30, 40, 0], [0, 0, 0, 1])
MIRRORED = np.diag([-1, 1, 1, 1]) @ QFORM
NUDGED = QFORM + np.array([[0, 0.002, 0, 0.2], [0] * 4, [0] * 4, [0] * 4])


@pytest.mark.parametrize("scode", [1, 2, 4])
@pytest.mark.parametrize(
    ("sform", "words"),
    [
        (MOVED, "53.9 mm apart"),
        (MIRRORED, "mirror each other"),
        (NUDGED, None),
        (turned(10), "mm apart"),
    ],
)
def test_forms_that_differ_are_both_kept_and_told(tmp_path, sform, words, scode):
    ct = write_ct(tmp_path / "ct.nii", sform=sform, scode=scode)
    volume = segmented(ct, tmp_path / "out.nii")
    assert_same_place(ct, tmp_path / "out.nii")
    assert any(words in said for said in volume.warnings) if words else volume.warnings == ()


@pytest.mark.parametrize("unit", ["mm", "meter", "micron", "unknown"])
def test_units_are_kept_and_understood(tmp_path, unit):
    scale = {"meter": 0.001, "micron": 1000.0}.get(unit, 1.0)
    form = np.diag([scale, scale, scale, 1]) @ QFORM
    ct = write_ct(tmp_path / "ct.nii", qform=form, sform=form, unit=unit)
    volume = segmented(ct, tmp_path / "out.nii.gz")
    assert_same_place(ct, tmp_path / "out.nii.gz")
    np.testing.assert_allclose(volume.grid.spacing_mm, (2.5, 0.75, 0.5), rtol=1e-5)


@pytest.mark.parametrize("axes", list(itertools.product((1, -1), repeat=3)))
def test_any_handedness_is_kept(tmp_path, axes):
    form = QFORM @ np.diag([*axes, 1])
    ct = write_ct(tmp_path / "ct.nii", qform=form, sform=form, scode=0)
    segmented(ct, tmp_path / "out.nii")
    assert_same_place(ct, tmp_path / "out.nii")


def test_a_big_endian_ct_has_a_labelmap_with_its_forms(tmp_path):
    header = nib.Nifti1Header(endianness=">")
    image = nib.Nifti1Image(ct_array().T, None, header)
    image.header.set_qform(QFORM, code=1)
    image.header.set_sform(MOVED, code=2)
    nib.save(image, tmp_path / "ct.nii")
    assert (tmp_path / "ct.nii").read_bytes()[:4] == struct.pack(">i", 348)
    segmented(tmp_path / "ct.nii", tmp_path / "out.nii")
    assert_same_place(tmp_path / "ct.nii", tmp_path / "out.nii")


def test_nifti_to_nrrd_and_back_lies_at_the_same_place(tmp_path):
    ct = write_ct(tmp_path / "ct.nii", qform=turned(8), sform=turned(8))
    segmented(ct, tmp_path / "out.nrrd")
    write_labelmap(read_labelmap(tmp_path / "out.nrrd"), tmp_path / "back.nii.gz")
    back = nib.load(tmp_path / "back.nii.gz")
    np.testing.assert_allclose(back.affine, nib.load(ct).affine, atol=1e-3)


def test_a_part_of_a_ct_does_not_have_its_header(tmp_path):
    grid = read_volume(write_ct(tmp_path / "ct.nii")).grid
    assert grid.nifti
    assert not grid.crop(grid.box).nifti


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pixdim": [1, 0, 0, 0, 0, 0, 0, 0]}, "no voxel spacing"),
        ({"pixdim": [1, 0.5, 0.75, 0, 0, 0, 0, 0]}, "no voxel spacing"),
        ({"pixdim": [1, np.nan, 0.75, 2.5, 0, 0, 0, 0]}, "pixdim has nan"),
        ({"pixdim": [1, 1, 1, 1, 0, 0, 0, 0], "qform_code": 0}, "in its sform"),
        ({"srow_x": [np.inf, 0, 0, 0]}, "sform has inf"),
    ],
)
def test_a_spacing_that_is_missing_or_contradicts_itself_is_refused(tmp_path, fields, words):
    with pytest.raises(InputError, match=words):
        read_volume(write_ct(tmp_path / "ct.nii", **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"pixdim": [1, 0.5, 0.75, 2.5, np.nan, np.inf, 0, 0]},
        {"scl_slope": np.nan, "scl_inter": np.nan},
        {"scl_slope": 0, "scl_inter": -1024},
        {"cal_max": np.nan, "toffset": np.inf},
    ],
)
@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_fields_that_mean_nothing_are_not_minded(tmp_path, fields, kind, ending):
    path = write_ct(tmp_path / f"ct{ending}", array=ct_array().T.astype(kind))
    plain = tmp_path / "plain.nii"
    image = nib.load(path)
    nib.save(image, plain)
    raw = bytearray(plain.read_bytes())
    places = {"pixdim": 76, "scl_slope": 112, "scl_inter": 116, "cal_max": 124, "toffset": 136}
    for key, value in fields.items():
        values = np.atleast_1d(value)
        struct.pack_into(f"<{values.size}f", raw, places[key], *values)
    plain.write_bytes(raw)
    volume = read_volume(plain)
    np.testing.assert_array_equal(volume.array, ct_array())
    np.testing.assert_allclose(volume.grid.spacing_mm, (2.5, 0.75, 0.5))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_number_in_a_nifti_is_refused_with_its_count(tmp_path, kind, ending, value):
    array = ct_array().T.astype(kind)
    array[12, 10, 4:9] = value
    with pytest.raises(InputError, match="has 5 NaN or infinite voxels"):
        read_volume(write_ct(tmp_path / f"ct{ending}", array=array))


def test_nan_around_a_nifti_is_padding(tmp_path):
    array = ct_array().T.astype(np.float32)
    array[:, :2] = np.nan
    volume = read_volume(write_ct(tmp_path / "ct.nii.gz", array=array))
    assert (volume.array[:, :2] == -1024).all()
    assert "NaN" in volume.warnings[0]
    assert volume.array.dtype == np.int16


def test_scattered_nan_are_no_padding(tmp_path):
    array = ct_array().T.astype(np.float32)
    array[np.random.default_rng(0).random(array.shape) < 0.01] = np.nan
    with pytest.raises(InputError, match="NaN or infinite voxels"):
        read_volume(write_ct(tmp_path / "ct.nii.gz", array=array))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.uint16, np.int32])
@pytest.mark.parametrize("endianness", ["<", ">"])
def test_scaled_voxels_are_those_that_nibabel_reads(tmp_path, kind, endianness):
    raw = ((ct_array().T + 1200) // 2).astype(kind)
    header = nib.Nifti1Header(endianness=endianness)
    header.set_data_dtype(kind)
    image = nib.Nifti1Image(raw, QFORM, header)
    nib.save(image, tmp_path / "ct.nii")
    saved = bytearray((tmp_path / "ct.nii").read_bytes())
    struct.pack_into(f"{endianness}2f", saved, 112, 2.0, -1200.0)
    (tmp_path / "ct.nii").write_bytes(saved)
    expected = np.asanyarray(nib.load(tmp_path / "ct.nii").dataobj).T
    np.testing.assert_array_equal(read_volume(tmp_path / "ct.nii").array, expected)
