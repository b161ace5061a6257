"""An enhanced CT is the same CT as its slices in single files, or is refused with the reason."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from FlareSegLib.base.errors import InputError
from FlareSegLib.batch.cases import find_cases
from FlareSegLib.images.dicom.enhanced import with_frames
from FlareSegLib.images.dicom.header import read_headers
from FlareSegLib.images.dicom.series import series_paths
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.writing import check_source
from Testing.dicom_enhanced import ENHANCED, LEGACY, SHARED, edit, write_enhanced
from Testing.dicom_series import COLUMNS, ROWS, STEP_MM, N, along_z, ct_array, write_series
from Testing.images.refusals import refusal

OBLIQUE = (1.0, 0.0, 0.0, 0.0, 0.8, 0.6)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.array, expected.array)
    assert found.array.dtype == expected.array.dtype
    assert found.grid.shape == expected.grid.shape
    for name in ("spacing_mm", "origin", "direction"):
        one, other = getattr(found.grid, name), getattr(expected.grid, name)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def set_group(path, group, frame=None, **tags):
    """Set tags of a functional group: of a frame, or of all frames."""

    def change(ds):
        groups = (
            ds.SharedFunctionalGroupsSequence[0]
            if frame is None
            else ds.PerFrameFunctionalGroupsSequence[frame]
        )
        for name, value in tags.items():
            setattr(groups[group].value[0], name, value)

    return edit(path, change)


@pytest.fixture
def enhanced(tmp_path):
    return write_enhanced(write_series(tmp_path / "slices"), tmp_path / "multi" / "e.dcm")


@pytest.mark.parametrize("axes", [(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), OBLIQUE])
@pytest.mark.parametrize("sop_class", [ENHANCED, LEGACY])
@pytest.mark.parametrize("shared", [SHARED, ()])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [True, False])
def test_shuffled_frames_are_the_same_ct_as_slices(
    tmp_path, axes, sop_class, shared, syntax, undefined
):
    folder = write_series(tmp_path / "slices", axes=axes)
    path = write_enhanced(
        folder, tmp_path / "multi" / "e.dcm", shared=shared, sop_class=sop_class, syntax=syntax,
        undefined=undefined,
    )  # fmt: skip
    assert_same(read_volume(path), read_volume(folder))
    np.testing.assert_array_equal(read_volume(path).array, np.maximum(ct_array(), -1024))


@pytest.mark.parametrize(("slope", "intercept"), [(2, -1000), (0.5, -1024.5)])
@pytest.mark.parametrize("shared", [SHARED, ()])
@pytest.mark.parametrize("coded", [False, True])
def test_a_rescale_of_all_frames_is_applied(tmp_path, slope, intercept, shared, coded):
    raw = np.rint((ct_array() - intercept) / slope).clip(0) * slope + intercept
    folder = write_series(tmp_path / "slices", RescaleSlope=slope, RescaleIntercept=intercept)
    for path in folder.iterdir():
        edit(path, lambda ds: setattr(ds, "PixelData", _raw(ds, slope, intercept)))
    path = write_enhanced(folder, tmp_path / "multi" / "e.dcm", shared=shared)
    if coded:
        edit(path, lambda ds: ds.compress(RLELossless))
    assert_same(read_volume(path), read_volume(folder))
    np.testing.assert_allclose(read_volume(path).array, np.maximum(raw, -1024), atol=slope)


def _raw(ds, slope, intercept):
    hu = np.frombuffer(ds.PixelData, np.uint16) - 1024.0
    return np.rint((hu - intercept) / slope).clip(0).astype(np.uint16).tobytes()


def test_each_frame_has_its_own_rescale(tmp_path):
    folder = write_series(tmp_path / "slices")
    expected = read_volume(folder)
    for i, path in enumerate(sorted(folder.iterdir())):
        if i % 2:
            edit(path, lambda ds: ds.update(_shifted(ds, 976)))
    path = write_enhanced(folder, tmp_path / "multi" / "e.dcm", shared=SHARED[:2])
    assert_same(read_volume(path), expected)
    edit(path, lambda ds: ds.compress(RLELossless))
    assert "compressed frames" in refusal(path)


def _shifted(ds, by):
    stored = np.frombuffer(ds.PixelData, np.uint16) + np.uint16(by)
    return {"RescaleIntercept": -1024 - by, "PixelData": stored.tobytes()}


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_that_are_not_stored_are_left_out(enhanced, signed):
    expected = read_volume(enhanced)

    def change(ds):
        stored = np.frombuffer(ds.PixelData, np.uint16).astype(np.int32)
        stored = (stored - 1024 if signed else stored) & 0x0FFF | 0xA000
        ds.PixelData = stored.astype(np.uint16).tobytes()
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, signed

    edit(enhanced, change)
    if signed:
        set_group(enhanced, "PixelValueTransformationSequence", RescaleIntercept=0)
    assert_same(read_volume(enhanced), expected)


def test_a_frame_without_rescale_is_named(tmp_path):
    path = write_enhanced(
        write_series(tmp_path / "s"), tmp_path / "multi" / "e.dcm", shared=SHARED[:2]
    )
    edit(path, lambda ds: _frame(ds, 0).pop("PixelValueTransformationSequence"))
    assert "no rescale to HU in frame 1 (missing)" in refusal(path)


def _frame(ds, i):
    return ds.PerFrameFunctionalGroupsSequence[i]


def test_a_frame_without_position_or_spacing_is_refused(enhanced):
    edit(enhanced, lambda ds: _frame(ds, 4).pop("PlanePositionSequence"))
    assert "without position or orientation" in refusal(enhanced)


def test_a_file_without_spacing_is_refused(enhanced):
    edit(
        enhanced,
        lambda ds: ds.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence"),
    )
    assert "no usable PixelSpacing in 18 of 18" in refusal(enhanced)


@pytest.mark.parametrize("cut", [1, 2 * ROWS * COLUMNS, 2 * ROWS * COLUMNS * (N - 1)])
def test_a_file_that_is_cut_off_is_refused(enhanced, cut):
    content = enhanced.read_bytes()
    enhanced.write_bytes(content[:-cut])
    assert "cut off or damaged" in refusal(enhanced)


@pytest.mark.parametrize("frames", [N - 1, N + 1, 10**9])
def test_frames_that_are_not_there_are_refused(enhanced, frames):
    edit(enhanced, lambda ds: ds.update({"NumberOfFrames": frames}))
    assert "cut off or damaged" in refusal(enhanced)


def test_a_file_with_too_few_voxels_is_refused(enhanced):
    edit(enhanced, lambda ds: setattr(ds, "PixelData", ds.PixelData[: -2 * COLUMNS]))
    assert "cut off or damaged" in refusal(enhanced)


@pytest.mark.parametrize(
    ("positions", "words"),
    [
        (along_z([*range(N - 1), N + 1]), "has a gap"),
        (along_z([*range(9), *range(9, 27, 2)]), "uneven distances"),
        ([(-80.0 + 40 * (i > 8), -60.0, float(i)) for i in range(N)], "jump sideways"),
        ([(-80.0, -60.0 + 0.5 * i, float(i)) for i in range(N)], "gantry tilt"),
        (along_z([*range(N - 1), N - 2]), "slices too many"),
    ],
)
@pytest.mark.parametrize("shared", [SHARED, ()])
def test_frames_that_are_no_even_stack_are_refused_as_slices_are(
    tmp_path, positions, words, shared
):
    folder = write_series(tmp_path / "slices", positions)
    path = write_enhanced(folder, tmp_path / "multi" / "e.dcm", shared=shared)
    assert words in refusal(path)
    assert words in refusal(folder)


@pytest.mark.parametrize(
    ("tag", "values", "numbers", "apart_mm"),
    [
        ("FrameAcquisitionNumber", (3, 7), (3, 7), 0),
        ("TemporalPositionIndex", (1, 2), (1, 2), 0),
        ("FrameAcquisitionDateTime", ("20250102101500", "20250102101545"), (1, 2), 0),
        ("StackID", ("4", "5"), (4, 5), 0),
        ("StackID", ("chest", "trunk"), (1, 2), 500),
    ],
)
def test_several_stacks_or_times_are_listed_and_chosen(tmp_path, tag, values, numbers, apart_mm):
    for i in range(2):
        positions = along_z([apart_mm * i + STEP_MM * k for k in range(N)])
        write_series(tmp_path / "slices", positions, array=ct_array(i), prefix=str(i))
    contents = [{tag: value} for value in values for _ in range(N)]
    path = write_enhanced(tmp_path / "slices", tmp_path / "multi" / "e.dcm", contents=contents)
    assert "holds 2 acquisitions in one series" in refusal(path)
    for i, number in enumerate(numbers):
        found = read_volume(path, series=f"#{number}")
        np.testing.assert_array_equal(found.array, np.maximum(ct_array(i), -1024))
    assert "no acquisition 9 but" in refusal(path, series="#9")
    assert [case.series.partition("#")[2] for case in find_cases(path.parent)] == [
        str(number) for number in numbers
    ]


def test_frames_taken_one_after_another_are_one_stack(tmp_path):
    contents = [{"FrameAcquisitionNumber": i, "StackID": "1"} for i in range(N)]
    folder = write_series(tmp_path / "slices")
    path = write_enhanced(folder, tmp_path / "multi" / "e.dcm", contents=contents)
    assert_same(read_volume(path), read_volume(folder))


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_other_transfer_syntaxes_are_refused_with_a_tool(tmp_path, syntax):
    folder = write_series(tmp_path / "slices")
    path = write_enhanced(folder, tmp_path / "multi" / "e.dcm")
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = np.frombuffer(ds.PixelData, np.uint16).byteswap().tobytes()
    pydicom.dcmwrite(
        path, ds, implicit_vr=False, little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )  # fmt: skip
    assert "dcm2niix" in refusal(path)


def test_slices_and_frames_in_one_series_are_refused(tmp_path):
    folder = write_series(tmp_path / "slices")
    write_enhanced(folder, folder / "zz.dcm")
    assert "mixes slices and an enhanced CT" in refusal(folder)


def test_what_refers_to_slices_is_refused_before_the_work(tmp_path, enhanced):
    check_source(tmp_path / "o.nii.gz", enhanced, None)
    for name in ("o.dcm", "o.rtstruct.dcm"):
        with pytest.raises(InputError, match=r"cannot refer: let OUT end in \.nii\.gz"):
            check_source(tmp_path / name, enhanced, None)
    assert series_paths(enhanced, None) == [enhanced] * N


def test_a_sequence_that_does_not_end_is_refused(tmp_path):
    folder = write_series(tmp_path / "slices")
    path = write_enhanced(folder, tmp_path / "multi" / "e.dcm", undefined=True)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\xfe\xff\xdd\xe0\0\0\0\0", bytes(8)))
    assert "e.dcm" in refusal(path)


def test_a_damaged_byte_of_the_header_never_ends_the_search_for_frames(enhanced):
    content, whole = enhanced.read_bytes(), read_headers([enhanced])
    rng = np.random.default_rng(3)
    kinds = set()
    for at in rng.integers(132, len(content) - 2 * N * ROWS * COLUMNS, 400):
        damaged = bytearray(content)
        damaged[at] ^= int(rng.integers(1, 256))
        enhanced.write_bytes(damaged)
        found = with_frames(whole)
        assert len(found) in (1, N)
        kinds.add((len(found), found[0].is_whole))
    assert kinds == {(1, True), (1, False), (N, True)}
