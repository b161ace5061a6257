import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from FlareSegLib.images.reading import read_volume
from Testing.dicom_series import COLUMNS, ROWS, STEP_MM, N, along_z, ct_array, write_series
from Testing.images.refusals import refusal


def test_a_series_is_read_in_the_order_of_its_positions(tmp_path):
    volume = read_volume(write_series(tmp_path / "Ärzte 1"))
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, np.maximum(ct_array(), -1024))
    np.testing.assert_allclose(volume.grid.spacing_mm, (STEP_MM, 0.75, 0.5))
    np.testing.assert_allclose(volume.grid.origin, (-80, -60, 40))
    np.testing.assert_allclose(volume.grid.direction, ((0, 0, 1), (0, 1, 0), (1, 0, 0)), atol=1e-9)


@pytest.mark.parametrize(
    "axes",
    [
        (1, 0, 0, 0, 0, -1),  # coronal
        (0.6, 0.8, 0, -0.8, 0.6, 0),  # turned in the plane
        (1, 0, 0, 0, 0.8, 0.6),  # a whole scan along a tilted axis: not sheared
        (-1, 0, 0, 0, 1, 0),  # feet first: the normal points down
    ],
)
def test_a_voxel_of_any_series_lies_at_its_slice_position(tmp_path, axes):
    row, column = np.array(axes[:3]), np.array(axes[3:])
    grid = read_volume(write_series(tmp_path, axes=axes)).grid
    start, normal = np.array((-80.0, -60.0, 40.0)), np.cross(row, column)
    expected = start + 5 * STEP_MM * normal + 3 * 0.75 * column + 7 * 0.5 * row
    np.testing.assert_allclose(grid.to_world((5, 3, 7)), expected, atol=1e-3)


def test_a_subfolder_and_one_file_give_the_same_series(tmp_path):
    folder = write_series(tmp_path / "study" / "series")
    (tmp_path / "study" / "readme.txt").write_text("x" * 500)
    expected = read_volume(folder)
    for path in (tmp_path, next(folder.iterdir())):
        np.testing.assert_array_equal(read_volume(path).array, expected.array)


def test_several_series_are_listed_and_one_can_be_chosen(tmp_path):
    write_series(tmp_path / "a", SeriesInstanceUID="1.2.3", SeriesDescription="portal venous")
    scout = along_z((0, 1))
    write_series(tmp_path / "b", scout, SeriesInstanceUID="1.2.4", SeriesDescription="scout")
    message = refusal(tmp_path)
    assert "1.2.3 (portal venous, 18 slices)" in message
    assert "1.2.4 (scout, 2 slices)" in message
    assert "pass --series UID" in message
    assert read_volume(tmp_path, series="1.2.3").grid.shape == (N, ROWS, COLUMNS)
    assert "no series 9.9 but 1.2.3 (portal" in refusal(tmp_path, series="9.9")
    one_file = next((tmp_path / "a").iterdir())
    assert read_volume(one_file).grid.shape == (N, ROWS, COLUMNS)
    assert "no series 1.2.4 but 1.2.3" in refusal(one_file, series="1.2.4")


def test_a_folder_without_dicom_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert "holds no DICOM images" in refusal(tmp_path)


@pytest.mark.parametrize(("count", "gap"), [(1, "5.00"), (3, "10.00")])
def test_missing_slices_are_refused_with_place_and_count(tmp_path, count, gap):
    z_mm = [40 + STEP_MM * i for i in range(N + count) if not 5 <= i < 5 + count]
    message = refusal(write_series(tmp_path, along_z(z_mm)))
    assert f"gap of {gap} mm after the slice at 50.0 mm, elsewhere 2.50 mm" in message
    assert f"({count} slices missing)" in message


def test_jitter_and_rounding_of_positions_are_accepted(tmp_path):
    rng = np.random.default_rng(3)
    jitter = along_z([4.0 * i + rng.uniform(-0.019, 0.019) for i in range(N)])
    assert read_volume(write_series(tmp_path / "a", jitter)).grid.spacing_mm[0] == pytest.approx(
        4, rel=0.002
    )
    rounded = along_z([round(0.625 * i, 1) for i in range(N)])
    read_volume(write_series(tmp_path / "b", rounded))


def test_two_slices_at_one_place_are_refused(tmp_path):
    z_mm = [40 + STEP_MM * i for i in range(N)] + [45.0]
    message = refusal(write_series(tmp_path, along_z(z_mm)))
    assert "1 slices too many at the position of another, first at 45.0 mm" in message


def test_gantry_tilt_is_refused_by_position_whatever_the_tag_says(tmp_path):
    straight = read_volume(write_series(tmp_path / "a", GantryDetectorTilt="12.5"))
    assert straight.grid.shape == (N, ROWS, COLUMNS)
    # slices lean back by 15 degrees, the table moves along z
    lean = (1.0, 0.0, 0.0, 0.0, np.cos(np.radians(15)), np.sin(np.radians(15)))
    tilted = write_series(tmp_path / "b", along_z([2.5 * i for i in range(N)]), axes=lean)
    # drift: 17 steps x 2.5 mm x sin 15 degrees = 11.0 mm
    assert "drift 11.0 mm sideways" in refusal(tilted)
    assert "dcm2niix" in refusal(tilted)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"Modality": "MR"}, "modality MR"),
        ({"ImagePositionPatient": None}, "without position"),
        ({"ImageOrientationPatient": None}, "without position or orientation"),
    ],
)
def test_a_header_that_does_not_do_is_refused(tmp_path, tags, words):
    assert words in refusal(write_series(tmp_path, **tags))


def test_a_scout_in_the_series_is_refused(tmp_path):
    write_series(tmp_path / "a", SeriesInstanceUID="1.2.3")
    coronal = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    write_series(tmp_path / "b", along_z([0]), axes=coronal, SeriesInstanceUID="1.2.3")
    assert "mixes slices" in refusal(tmp_path)


def test_few_slices_and_a_lost_intercept_are_refused(tmp_path):
    few = write_series(tmp_path / "a", along_z([2.5 * i for i in range(7)]))
    assert "7 along its shortest axis" in refusal(few)
    single = write_series(tmp_path / "b", along_z([0]))
    assert "1 along its shortest axis" in refusal(single)
    shifted = write_series(tmp_path / "c", RescaleIntercept=0)
    assert "--hu-offset -1024" in refusal(shifted)
    volume = read_volume(shifted, hu_offset=-1024)
    np.testing.assert_array_equal(volume.array, np.maximum(ct_array(), -1024))


def test_a_cut_slice_is_refused(tmp_path):
    folder = write_series(tmp_path)
    path = sorted(folder.iterdir())[4]
    path.write_bytes(path.read_bytes()[:-400])
    assert "cut off or damaged" in refusal(folder) or "missing" in refusal(folder)


def test_files_without_preamble_and_reports_do_no_harm(tmp_path):
    folder = write_series(tmp_path)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[132:])
    report = pydicom.Dataset()
    report.SOPClassUID, report.Modality = "1.2.840.10008.5.1.4.1.1.88.11", "SR"
    report.SOPInstanceUID = report.SeriesInstanceUID = generate_uid()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    assert read_volume(folder).grid.shape == (N, ROWS, COLUMNS)
