"""NIfTI-2 is read as NIfTI-1 is; the oracle is nibabel."""

import gzip
import itertools
import struct

import numpy as np
import pytest

from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.paths import DEFAULT_MODEL
from FlareSegLib.batch.cases import Case, find_cases
from FlareSegLib.batch.demand import demand_of
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.images.writing import write_labelmap
from Testing.dicom_series import ct_array
from Testing.images.refusals import refusal

nib = pytest.importorskip("nibabel", reason="nibabel is not installed")
QFORM = np.array([[-0.5, 0, 0, 12.5], [0, 0.75, 0, -31], [0, 0, 2.5, 100], [0, 0, 0, 1]])
MOVED = QFORM + np.outer([20, 30, 40, 0], [0, 0, 0, 1])
FORMS = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x",
         "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units")  # fmt: skip
KINDS = {".hdr": (nib.Nifti1Pair, nib.Nifti2Pair)}
PLACES = {"sizeof_hdr": ("i", 0), "magic": ("4s", 8), "datatype": ("h", 12), "bitpix": ("h", 14),
          "dim0": ("q", 16), "dim1": ("q", 24), "dim3": ("q", 40), "pixdim1": ("d", 112),
          "vox_offset": ("q", 168), "scl_slope": ("d", 176), "qform_code": ("i", 344),
          "quatern_b": ("d", 352), "srow_x": ("d", 400), "xyzt_units": ("i", 500)}  # fmt: skip


def write_ct(path, kind=nib.Nifti2Image, *, dtype=np.int16, order="<", qcode=1, scode=1,
             qform=QFORM, sform=QFORM, unit="mm", array=None):  # fmt: skip
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    array = ct_array().T if array is None else array
    image = kind(array.astype(dtype), None, header)
    image.header.set_qform(qform, code=qcode)
    image.header.set_sform(sform, code=scode)
    image.header["qform_code"], image.header["sform_code"] = qcode, scode
    image.header.set_xyzt_units(unit, "sec")
    nib.save(image, path)
    return path


def both(tmp_path, ending=".nii", **more):
    """Return the same CT as NIfTI-1 and as NIfTI-2."""
    kinds = KINDS.get(ending, (nib.Nifti1Image, nib.Nifti2Image))
    return [write_ct(tmp_path / f"{i}{ending}", kind, **more) for i, kind in enumerate(kinds, 1)]


def set_field(path, name, value, order="<"):
    kind, at = PLACES[name]
    content = bytearray(path.read_bytes())
    struct.pack_into(order + kind, content, at, value)
    path.write_bytes(content)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".hdr"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.float32, np.float64])
def test_voxels_and_place_are_those_of_the_same_nifti_1(tmp_path, order, ending, dtype):
    paths = both(tmp_path, ending, dtype=dtype, order=order)
    one, two = map(read_volume, paths)
    np.testing.assert_array_equal(two.array, one.array)
    assert (two.array.dtype, two.grid, two.warnings) == (one.array.dtype, one.grid, ())
    np.testing.assert_array_equal(two.array, np.asanyarray(nib.load(paths[1]).dataobj).T)


@pytest.mark.parametrize(("qcode", "scode"), list(itertools.product(range(5), range(5))))
@pytest.mark.parametrize("sform", [QFORM, MOVED])
def test_the_labelmap_has_the_forms_of_the_ct(tmp_path, qcode, scode, sform):
    paths = both(tmp_path, qcode=qcode, scode=scode, sform=sform)
    one, two = map(read_volume, paths)
    assert (two.grid, two.warnings) == (one.grid, one.warnings)
    write_labelmap(Labelmap((two.array > 0).astype(np.uint8), two.grid), tmp_path / "o.nii.gz")
    labelmap, ct = nib.load(tmp_path / "o.nii.gz"), nib.load(paths[1])
    for key in FORMS:
        np.testing.assert_array_equal(labelmap.header[key], ct.header[key].astype(np.float32))
    np.testing.assert_array_equal(labelmap.affine, ct.affine)
    np.testing.assert_array_equal(np.asanyarray(labelmap.dataobj).T, two.array > 0)


@pytest.mark.parametrize("unit", ["meter", "micron", "unknown"])
def test_units_are_understood(tmp_path, unit):
    scale = {"meter": 0.001, "micron": 1000.0}.get(unit, 1.0)
    form = np.diag([scale, scale, scale, 1]) @ QFORM
    one, two = map(read_volume, both(tmp_path, unit=unit, qform=form, sform=form))
    assert two.grid == one.grid
    np.testing.assert_allclose(two.grid.spacing_mm, (2.5, 0.75, 0.5), rtol=1e-5)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_slope_and_intercept_are_used(tmp_path, order, ending):
    paths = both(tmp_path, ".nii", order=order, array=(ct_array().T + 1200) // 2)
    content = bytearray(paths[1].read_bytes())
    struct.pack_into(f"{order}2d", content, 176, 2.0, -1200.0)
    path = tmp_path / f"scaled{ending}"
    path.write_bytes(gzip.compress(content) if ending == ".nii.gz" else content)
    expected = np.asanyarray(nib.load(path).dataobj).T
    assert expected.min() < -900
    np.testing.assert_array_equal(read_volume(path).array, expected)


def test_nan_is_refused_and_a_slope_of_nan_is_none(tmp_path):
    array = ct_array().T.astype(np.float32)
    array[5, 5, 5] = np.nan
    assert "NaN" in refusal(write_ct(tmp_path / "a.nii", dtype=np.float32, array=array))
    path = write_ct(tmp_path / "b.nii")
    set_field(path, "scl_slope", np.nan)
    np.testing.assert_array_equal(read_volume(path).array, ct_array())


def test_a_frame_of_a_4d_file_is_read(tmp_path):
    array = np.stack([ct_array(i).T for i in range(3)], axis=-1)
    path = write_ct(tmp_path / "ct.nii.gz", array=array)
    assert "--frame N, from 1 to 3" in refusal(path)
    for i in range(3):
        np.testing.assert_array_equal(read_volume(path, series=f"#{i + 1}").array, ct_array(i))
    assert [case.series for case in find_cases(tmp_path)] == ["#1", "#2", "#3"]


def test_a_batch_knows_what_a_case_will_take(tmp_path):
    one, two = both(tmp_path)
    config = read_model_config(DEFAULT_MODEL)
    found = [demand_of(Case("a", path, "a"), config, 1) for path in (one, two)]
    assert found[0] == found[1]
    assert found[1].memory_mib > 0


def test_a_labelmap_in_nifti_2_is_one(tmp_path):
    path = write_ct(tmp_path / "o.nii.gz", dtype=np.uint8, array=ct_array().T > 0)
    np.testing.assert_array_equal(read_labelmap(path).array, ct_array() > 0)


@pytest.mark.parametrize("dtype", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_what_is_no_plain_number_is_refused_by_its_kind(tmp_path, dtype):
    array = np.zeros((24, 20, 18), dtype)
    nib.save(nib.Nifti2Image(array, QFORM), tmp_path / "ct.nii")
    assert "pixels of type" in refusal(tmp_path / "ct.nii")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sizeof_hdr", 541, "sizeof_hdr"),
        ("magic", b"\n\x1a\n\0", "magic"),
        ("datatype", 16, "datatype 16 with 16 bits"),
        ("bitpix", 8, "datatype 4 with 8 bits"),
        ("dim0", 0, "dim[0] is 0"),
        ("dim0", 8, "dim[0] is 8"),
        ("dim1", -1, "size -1 x"),
        ("dim1", 2**40, "does not fit into memory|along an axis"),
        ("dim3", 40000, "40000 voxels along an axis"),
        ("dim3", 19, "cut off or damaged"),
        ("pixdim1", 0.0, "no voxel spacing"),
        ("pixdim1", np.nan, "pixdim has nan"),
        ("pixdim1", 1e300, "pixdim has inf"),
        ("vox_offset", 0, "vox_offset is 0"),
        ("vox_offset", -8, "vox_offset is -8"),
        ("vox_offset", 2**62, "does not fit into memory|cut off"),
        ("qform_code", 70000, "qform_code and sform_code are"),
        ("quatern_b", np.inf, "qform has inf"),
        ("srow_x", 1e299, "sform has inf"),
        ("xyzt_units", 256, "xyzt_units is 256"),
    ],
)
def test_a_header_out_of_bounds_is_refused(tmp_path, order, name, value, words):
    path = write_ct(tmp_path / "ct.nii", order=order)
    set_field(path, name, value, order)
    with pytest.raises(FlareSegError) as caught:
        read_volume(path)
    assert any(word in str(caught.value) for word in words.split("|"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [100, 347, 539, 543, 5000])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, size, ending):
    content = write_ct(tmp_path / "ct.nii").read_bytes()[:size]
    path = tmp_path / f"cut{ending}"
    path.write_bytes(gzip.compress(content) if ending == ".nii.gz" else content)
    refusal(path)


def test_numbers_of_forms_that_are_not_in_use_may_be_any(tmp_path):
    path = write_ct(tmp_path / "ct.nii", scode=0)
    set_field(path, "srow_x", 1e300)
    assert read_volume(path).grid.spacing_mm == (2.5, 0.75, 0.5)
