"""DICOM as clinics export it: what lies beside a series, and what is wrong inside."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from FlareSegLib.batch.cases import find_cases
from FlareSegLib.images.dicom.elements import own_values
from FlareSegLib.images.dicom.series import series_paths
from FlareSegLib.images.privacy import identity_of
from FlareSegLib.images.reading import read_volume
from Testing.dicom_disc import STORAGE, write_object
from Testing.dicom_series import COLUMNS, ROWS, STEP_MM, N, along_z, ct_array, write_series
from Testing.images.refusals import refusal

REFERRING = {
    "presentation state": "11.1", "colour presentation state": "11.2", "registration": "66.1",
    "deformable registration": "66.3", "raw data": "66", "fiducials": "66.2", "value map": "67",
    "key objects": "88.59", "report": "88.11", "plan": "481.5", "structure set": "481.3",
    "document": "104.1",
}  # fmt: skip
CASES = Path(__file__).parents[3] / "shared" / "cases"


def slices_of(folder):
    """Return the slices from below."""
    read = [(pydicom.dcmread(path), path) for path in folder.iterdir()]
    return sorted(read, key=lambda one: one[0].ImagePositionPatient[2])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("kind", REFERRING)
def test_what_refers_to_a_ct_is_left_out_and_counted(tmp_path, kind, undefined, syntax):
    folder = write_series(tmp_path, SeriesInstanceUID="1.2.3")
    sop_class = STORAGE + REFERRING[kind]
    path = tmp_path / "XX_0001.dcm"
    write_object(path, sop_class, "1.2.3", syntax=syntax, undefined=undefined)
    own = own_values(path, ((8, 0x16), (0x20, 0xE)))
    assert own[8, 0x16] == sop_class
    assert own[0x20, 0xE] != "1.2.3"
    volume = read_volume(folder)
    assert volume.grid.shape == (N, ROWS, COLUMNS)
    assert any("without an image were left out: 1 " in said for said in volume.warnings)


@pytest.mark.parametrize("name", ["DICOMDIR", "dicomdir", "DIRFILE", "index.dcm"])
def test_a_media_directory_is_known_by_its_class(tmp_path, name):
    folder = write_series(tmp_path, SeriesInstanceUID="1.2.3")
    write_object(tmp_path / name, "1.2.840.10008.1.3.10", "1.2.3")
    assert read_volume(folder).warnings == ()
    assert read_volume(tmp_path / name).grid.shape == (N, ROWS, COLUMNS)


def test_hidden_files_are_not_looked_at(tmp_path):
    folder = write_series(tmp_path)
    for path in list(folder.iterdir()):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(104))
    (tmp_path / ".DS_Store").write_bytes(bytes(6148))
    assert read_volume(folder).warnings == ()


@pytest.mark.parametrize("name", ["DICOMDIR", "state.dcm"])
def test_an_object_as_input_stands_for_the_series_of_its_folder(tmp_path, name):
    write_series(tmp_path / "a", SeriesInstanceUID="1.2.3")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2.4")
    path = write_object(tmp_path / name, STORAGE + "11.1", "1.2.3")
    message = refusal(path)
    assert "holds 2 series" in message
    assert "pass --series UID" in message
    assert read_volume(path, series="1.2.4").grid.shape == (N, ROWS, COLUMNS)


def test_a_damaged_slice_is_still_one_whatever_lies_beside(tmp_path):
    folder = write_series(tmp_path, SeriesInstanceUID="1.2.3")
    write_object(tmp_path / "state.dcm", STORAGE + "11.1", "1.2.3")
    path = slices_of_ct(folder)[-1]
    path.write_bytes(path.read_bytes()[:600])
    assert "cut off or damaged" in refusal(folder)


def slices_of_ct(folder):
    return sorted(path for path in folder.iterdir() if path.name.startswith("im"))


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PixelSpacing": None}, "no usable PixelSpacing in 18 of 18 slices (missing)"),
        ({"PixelSpacing": None, "ImagerPixelSpacing": [0.5, 0.5]}, "no usable PixelSpacing"),
        ({"PixelSpacing": [0, 0.5]}, "no usable PixelSpacing"),
        ({"PixelSpacing": [-0.5, 0.5]}, "no usable PixelSpacing"),
        ({"PixelSpacing": 0.5}, "no usable PixelSpacing"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1"),
    ],
)
def test_a_series_without_usable_spacing_is_refused(tmp_path, tags, words):
    assert words in refusal(write_series(tmp_path, **tags))


@pytest.mark.parametrize(
    ("old", "new"), [(b"0.75\\0.5", b"0,75\\0,5"), (b"0.75\\0.5", b"0,75\\0.5")]
)
def test_a_decimal_comma_is_read_with_a_warning(tmp_path, old, new):
    folder = write_series(tmp_path)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(old, new))
    volume = read_volume(folder)
    np.testing.assert_allclose(volume.grid.spacing_mm, (STEP_MM, 0.75, 0.5))
    assert "comma: read as 0.75 x 0.5 mm" in volume.warnings[0]


def test_text_as_spacing_and_spacing_in_some_slices_are_refused(tmp_path):
    folder = write_series(tmp_path)
    for i, path in enumerate(sorted(folder.iterdir())):
        if i < 3:
            path.write_bytes(path.read_bytes().replace(b"0.75\\0.5", b"none\\0.5"))
    assert "in 3 of 18 slices" in refusal(folder)


def test_two_fields_of_view_are_refused_as_such(tmp_path):
    folder = write_series(tmp_path)
    for ds, path in slices_of(folder)[7:]:
        ds.PixelSpacing = [0.6, 0.4]
        ds.ImagePositionPatient[0] += 46.9
        ds.save_as(path)
    assert "different PixelSpacing (0.6 x 0.4 and 0.75 x 0.5 mm)" in refusal(folder)


@pytest.mark.parametrize("part", [slice(6, 12), slice(9, None), slice(0, 4), slice(17, None)])
@pytest.mark.parametrize("axis", [0, 1])
def test_slices_that_jump_sideways_are_refused_with_their_numbers(tmp_path, part, axis):
    folder = write_series(tmp_path)
    for ds, path in slices_of(folder)[part]:
        ds.ImagePositionPatient[axis] += 45
        ds.save_as(path)
    message = refusal(folder)
    assert "jump sideways by 45.0 mm" in message
    assert "tilt" not in message


def test_a_tilt_that_goes_back_is_no_tilt_and_a_steady_one_is(tmp_path):
    there = [(-80.0 + 2.0 * min(i, N - i), -60.0, STEP_MM * i) for i in range(N)]
    assert "jump sideways" in refusal(write_series(tmp_path / "a", there))
    steady = [(-80.0 + 0.5 * i, -60.0, STEP_MM * i) for i in range(N)]
    assert "gantry tilt" in refusal(write_series(tmp_path / "b", steady))


def test_rounded_positions_are_no_jump(tmp_path):
    rng = np.random.default_rng(2)
    near = [(-80 + rng.uniform(-0.3, 0.3), -60.0, STEP_MM * i) for i in range(N)]
    assert read_volume(write_series(tmp_path, near)).grid.shape[0] == N


def test_uneven_slices_name_the_tool_and_its_file(tmp_path):
    two = [3.0 * i for i in range(9)] + [27 + 6.0 * i for i in range(9)]
    message = refusal(write_series(tmp_path / "a", along_z(two)))
    assert "uneven distances" in message
    assert "_Eq" in message
    between = sorted([*(3.0 * i for i in range(N)), 16.5])
    assert "uneven distances" in refusal(write_series(tmp_path / "b", along_z(between)))


def test_a_screen_capture_in_the_series_is_left_out(tmp_path):
    folder = write_series(tmp_path)
    ds, path = slices_of(folder)[3]
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = STORAGE + "7"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    del ds.ImagePositionPatient, ds.ImageOrientationPatient
    ds.save_as(tmp_path / "capture.dcm")
    volume = read_volume(folder)
    assert volume.grid.shape[0] == N
    assert "1 secondary capture" in volume.warnings[0]
    assert len(series_paths(folder, None)) == N
    assert path.exists()


def test_exact_copies_are_left_out_and_other_doubles_are_refused(tmp_path):
    folder = write_series(tmp_path)
    for _, path in slices_of(folder)[2:7]:
        shutil.copy(path, path.with_name(f"{path.stem} (1).dcm"))
    volume = read_volume(folder)
    assert volume.grid.shape[0] == N
    assert "5 exact copies" in volume.warnings[0]
    ds, path = slices_of(folder)[2]
    ds.RescaleIntercept = -1000
    ds.save_as(path)
    assert "slices too many" in refusal(folder)


@pytest.mark.parametrize(
    "tags",
    [
        {"AcquisitionNumber": (3, 7)},
        {"AcquisitionNumber": (1, 1), "TemporalPositionIdentifier": (3, 7)},
        {"AcquisitionNumber": (1, 1), "AcquisitionTime": ("101500", "101545")},
    ],
)
def test_acquisitions_in_one_series_are_listed_and_chosen(tmp_path, tags):
    uids = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.9"}
    for i in range(2):
        one = {key: values[i] for key, values in tags.items()}
        write_series(tmp_path / str(i), array=ct_array(i), **uids, **one)
    message = refusal(tmp_path)
    assert "holds 2 acquisitions in one series" in message
    assert "--acquisition N" in message
    numbers = (1, 2) if "AcquisitionTime" in tags else (3, 7)
    for i, number in enumerate(numbers):
        found = read_volume(tmp_path, series=f"#{number}")
        np.testing.assert_array_equal(found.array, np.maximum(ct_array(i), -1024))
        again = read_volume(tmp_path, series=f"1.2.3#{number}")
        np.testing.assert_array_equal(again.array, found.array)
    assert "no acquisition 9 but" in refusal(tmp_path, series="#9")


def test_slices_of_another_rescale_do_not_wrap_around(tmp_path):
    folder = write_series(tmp_path)
    for ds, path in slices_of(folder)[:2]:
        ds.PixelData = ct_array()[0].clip(0).astype(np.uint16).tobytes()
        ds.RescaleIntercept = 0
        ds.save_as(path)
    found = read_volume(folder).array
    np.testing.assert_array_equal(found[2:], np.maximum(ct_array()[2:], -1024))
    assert found.min() >= -1024
    assert found.max() < 200


def test_unsigned_padding_is_air(tmp_path):
    array = ct_array()
    array[:, :3, :2] = array[:, -3:, -2:] = -2000
    folder = write_series(tmp_path, array=array)
    for ds, path in slices_of(folder):
        raw = np.frombuffer(ds.PixelData, np.uint16).reshape(ROWS, COLUMNS).copy()
        raw[:3, :2] = raw[-3:, -2:] = 63536
        ds.PixelData = raw.tobytes()
        ds.save_as(path)
    volume = read_volume(folder)
    assert volume.array[0, 0, 0] == -1024
    assert "exactly 62512 HU" in volume.warnings[0]


@pytest.mark.parametrize("ending", [".IMG", ".img", ".001", ".bin", ""])
def test_files_without_preamble_are_read_whatever_their_extension(tmp_path, ending):
    folder = write_series(tmp_path)
    for i, path in enumerate(sorted(folder.iterdir())):
        path.write_bytes(path.read_bytes()[132:])
        path.rename(folder / f"I{i:04d}{ending}")
    assert read_volume(folder).grid.shape == (N, ROWS, COLUMNS)


def test_a_folder_without_dicom_says_what_it_holds(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_bytes(b"\xff\xd8" + bytes(200))
    assert "3 other files, extensions .jpg" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a1_presentation_state", None),
        ("a2_philips_dirfile", None),
        ("a4_dicomdir_of_two_series/DICOMDIR", "holds 2 series"),
        ("b1_no_pixel_spacing", "no usable PixelSpacing"),
        ("b2_decimal_comma", None),
        ("b4_slices_shifted_sideways", "jump sideways"),
    ],
)
def test_the_cases_of_others_are_read_or_refused(name, words):
    if not CASES.is_dir():
        pytest.skip("../shared/cases is not there")
    if words:
        assert words in refusal(CASES / name)
    else:
        assert read_volume(CASES / name).grid.shape[0] >= 16


def test_a_batch_takes_each_acquisition_as_a_case(tmp_path):
    for i, number in enumerate((3, 7)):
        write_series(tmp_path / "a", array=ct_array(i), prefix=str(i), SeriesInstanceUID="1.2.3",
                     AcquisitionNumber=number)  # fmt: skip
    cases = find_cases(tmp_path)
    assert [case.series for case in cases] == ["1.2.3#3", "1.2.3#7"]
    assert len({case.name for case in cases}) == 2
    for i, case in enumerate(cases):
        found = read_volume(case.source, series=case.series)
        np.testing.assert_array_equal(found.array, np.maximum(ct_array(i), -1024))
        assert "4711" in identity_of(case.source, case.series).words
