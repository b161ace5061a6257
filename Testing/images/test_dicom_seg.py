"""DICOM SEG, read back by highdicom, pydicom and dcmqi: they know nothing of how it was written."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib import __version__
from FlareSegLib.base.errors import InputError, OutputError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.labels import LabelSet
from FlareSegLib.images.dicom import seg
from FlareSegLib.images.dicom.seg import Provenance
from FlareSegLib.images.dicom.series import series_paths
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.writing import check_source, check_writable, write_labelmap
from Testing.dicom_series import AXIAL, NAME, ct_array, write_series
from Testing.flare import BY_KEY, FLARE, ORGANS

highdicom = pytest.importorskip("highdicom", reason="extra dicom is not installed")
pydicom = pytest.importorskip("pydicom", reason="extra dicom is not installed")

FEET_FIRST = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
TILTED = (0.6, 0.8, 0.0, -0.64, 0.48, 0.6)
"""Oblique about two axes; both have length 1 and are at right angles."""
BOXES = {
    "liver": np.s_[2:9, 4:11, 3:12],  # 7 x 7 x 9 = 441 voxels
    "left_kidney": np.s_[5:6, 12:14, 20:23],  # one plane: 6 voxels
    "inferior_vena_cava": np.s_[0:18, 1:2, 1:3],  # first to last plane: 36 voxels
}


def labelmap_on(grid):
    array = np.zeros(grid.shape, np.uint8)
    for key, box in BOXES.items():
        array[box] = BY_KEY[key].value
    return Labelmap(array, grid)


def made_from(source, series=None, kind="binary"):
    return Provenance(source, series, "flare13-test", "7", kind)


def written(folder, axes=AXIAL, **tags):
    """Write a series and a labelmap of it; return labelmap and path of the SEG."""
    source = write_series(folder / "Ärzte ct", axes=axes, **tags)
    labelmap = labelmap_on(read_volume(source).grid)
    path = folder / "größe" / "seg.dcm"
    write_labelmap(labelmap, path, made_from(source), FLARE)
    return labelmap, path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return written(tmp_path_factory.mktemp("seg"))


def world(labelmap, key):
    """Return the places (n, 3) of the voxels of an organ, in 0.01 mm, sorted."""
    index = np.argwhere(labelmap.array == BY_KEY[key].value)
    places = [labelmap.grid.to_world(tuple(float(v) for v in one)) for one in index]
    return sorted_rows(places)


def sorted_rows(places):
    return np.unique(np.rint(np.array(places) * 100).astype(int), axis=0)


def frames_by_hand(path):
    """Return the places of the voxels of each segment, from the bare elements of the file."""
    ds = pydicom.dcmread(path)
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")
    voxels = ds.NumberOfFrames * ds.Rows * ds.Columns
    frames = bits[:voxels].reshape(ds.NumberOfFrames, ds.Rows, ds.Columns)
    shared = ds.SharedFunctionalGroupsSequence[0]
    axes = [float(v) for v in shared.PlaneOrientationSequence[0].ImageOrientationPatient]
    along_row, along_column = np.array(axes[:3]), np.array(axes[3:])
    row_mm, column_mm = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    names = {one.SegmentNumber: one.SegmentLabel for one in ds.SegmentSequence}
    places = {name: [] for name in names.values()}
    for frame, facts in zip(frames, ds.PerFrameFunctionalGroupsSequence, strict=True):
        number = facts.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        start = np.array([float(v) for v in facts.PlanePositionSequence[0].ImagePositionPatient])
        for y, x in np.argwhere(frame):
            places[names[number]].append(
                start + y * row_mm * along_column + x * column_mm * along_row
            )
    return {name: sorted_rows(found) for name, found in places.items()}


@pytest.mark.parametrize("axes", [AXIAL, FEET_FIRST, CORONAL, TILTED])
def test_every_voxel_lies_where_the_labelmap_has_it(tmp_path, axes):
    labelmap, path = written(tmp_path, axes)
    found = frames_by_hand(path)
    assert set(found) == {BY_KEY[key].name for key in BOXES}
    for key, count in {"liver": 441, "left_kidney": 6, "inferior_vena_cava": 36}.items():
        places = found[BY_KEY[key].name]
        assert len(places) == count
        assert np.abs(places - world(labelmap, key)).max() <= 1  # 0.01 mm: DICOM has 16 letters


def dcmqi_output(path, folder):
    """Return what dcmqi reads: facts of segments, and images by their number."""
    beside = Path(sys.executable).with_name("segimage2itkimage")
    program = str(beside) if beside.exists() else shutil.which("segimage2itkimage")
    if not program:
        pytest.skip("segimage2itkimage of dcmqi is not installed")
    folder.mkdir()
    words = [program, "--inputDICOM", str(path), "--outputDirectory", str(folder), "-t", "nrrd"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (meta,) = folder.glob("*.json")
    groups = json.loads(meta.read_text("utf-8"))["segmentAttributes"]
    rows = [row for group in groups for row in group]
    images = {
        int(one.stem.split("-")[-1]): sitk.ReadImage(str(one)) for one in folder.glob("*.nrrd")
    }
    return rows, images


def dcmqi(path, folder):
    """Return the segments that dcmqi reads: image and facts by label."""
    rows, images = dcmqi_output(path, folder)
    return {row["SegmentLabel"]: (images[row["labelID"]], row) for row in rows}


@pytest.mark.parametrize("axes", [AXIAL, FEET_FIRST, TILTED])
def test_dcmqi_reads_the_same_voxels_at_the_same_places(tmp_path, axes):
    labelmap, path = written(tmp_path, axes)
    found = dcmqi(path, tmp_path / "dcmqi")
    assert set(found) == {BY_KEY[key].name for key in BOXES}
    for key in BOXES:
        image, _ = found[BY_KEY[key].name]
        index = np.argwhere(sitk.GetArrayFromImage(image))
        places = [image.TransformIndexToPhysicalPoint([int(v) for v in one[::-1]]) for one in index]
        expected = world(labelmap, key)
        assert len(index) == len(expected)
        assert np.abs(sorted_rows(places) - expected).max() <= 1


def test_dcmqi_knows_names_codes_sides_and_the_algorithm(tmp_path, plain):
    found = dcmqi(plain[1], tmp_path / "dcmqi")
    kidney, liver = found["left kidney"][1], found["liver"][1]
    assert kidney["SegmentedPropertyTypeCodeSequence"]["CodeValue"] == "64033007"
    assert kidney["SegmentedPropertyTypeModifierCodeSequence"]["CodeMeaning"] == "Left"
    assert liver["SegmentedPropertyCategoryCodeSequence"]["CodeMeaning"] == "Anatomical Structure"
    assert "SegmentedPropertyTypeModifierCodeSequence" not in liver
    assert liver["SegmentAlgorithmName"] == "FlareSeg flare13-test"
    assert np.abs(np.array(liver["recommendedDisplayRGBValue"]) - BY_KEY["liver"].color).max() <= 3


def test_highdicom_gives_the_labelmap_back(plain):
    labelmap, path = plain
    found = highdicom.seg.segread(path)
    source = sorted(
        (pydicom.dcmread(one) for one in (path.parents[1] / "Ärzte ct").iterdir()),
        key=lambda one: one.ImagePositionPatient[2],
    )
    array = found.get_pixels_by_source_instance(
        [one.SOPInstanceUID for one in source],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
    )
    present = sorted((BY_KEY[key] for key in BOXES), key=lambda organ: organ.value)
    expected = np.zeros_like(labelmap.array)
    for number, organ in enumerate(present, start=1):
        expected[labelmap.array == organ.value] = number
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("axes", [AXIAL, TILTED])
def test_a_labelmap_kind_has_a_frame_a_slice_and_dcmqi_and_highdicom_give_it_back(tmp_path, axes):
    source = write_series(tmp_path / "ct", axes=axes)
    labelmap, path = labelmap_on(read_volume(source).grid), tmp_path / "seg.dcm"
    write_labelmap(labelmap, path, made_from(source, kind="labelmap"), FLARE)
    ds = pydicom.dcmread(path)
    assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"  # Label Map Segmentation Storage
    assert (ds.NumberOfFrames, ds.file_meta.TransferSyntaxUID.name) == (18, "RLE Lossless")
    labels = {one.SegmentLabel: one.SegmentNumber for one in ds.SegmentSequence}
    found = highdicom.seg.segread(path).get_volume(combine_segments=True)
    rows, images = dcmqi_output(path, tmp_path / "dcmqi")
    numbers = {row["SegmentLabel"]: row["labelID"] for row in rows}
    (image,) = map(sitk.GetArrayFromImage, images.values())
    for key in BOXES:
        expected = world(labelmap, key)
        index = np.argwhere(found.array == labels[BY_KEY[key].name])
        places = sorted_rows(found.map_indices_to_reference(index))
        assert np.abs(places - expected).max() <= 1
        assert np.count_nonzero(image == numbers[BY_KEY[key].name]) == len(expected)


def test_nothing_of_the_patient_is_warned_of(tmp_path, recwarn):
    written(tmp_path, PatientName="ANONYMOUS")
    assert [str(one.message) for one in recwarn if "ANONYMOUS" in str(one.message)] == []


def test_it_refers_to_its_series_and_says_what_made_it(plain):
    _, path = plain
    ds = pydicom.dcmread(path)
    ct = pydicom.dcmread(next((path.parents[1] / "Ärzte ct").iterdir()))
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientName", "PatientID"):
        assert getattr(ds, name) == getattr(ct, name)
    assert ds.SeriesInstanceUID != ct.SeriesInstanceUID
    assert ds.ReferencedSeriesSequence[0].SeriesInstanceUID == ct.SeriesInstanceUID
    assert len(ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 18
    assert (ds.Modality, ds.SegmentationType) == ("SEG", "BINARY")
    assert ds.ContentDescription == "Research use only, not for diagnosis"
    made = ds.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert made.AlgorithmName == "FlareSeg flare13-test"
    assert made.AlgorithmVersion == f"model 7, flareseg {__version__}"
    assert ds.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"


def test_what_it_says_of_the_patient_is_what_the_series_says_and_no_more(tmp_path):
    _, path = written(tmp_path, PatientAge="044Y", StationName="CT01", OperatorsName="Roe^Rick")
    ds = pydicom.dcmread(path)
    said = {one.keyword: str(one.value) for one in ds.group_dataset(0x0010) if one.value}
    assert said == {"PatientName": NAME, "PatientID": "4711", "PatientAge": "044Y"}
    assert "StationName" not in ds
    assert "OperatorsName" not in ds


def test_a_name_in_any_script_stays_as_it_is(tmp_path):
    for i, (code, name) in enumerate(
        (("ISO_IR 100", "Müller^Jürgen"), ("ISO_IR 192", "山田^太郎"))
    ):
        _, path = written(tmp_path / str(i), SpecificCharacterSet=code, PatientName=name)
        assert pydicom.dcmread(path).PatientName == name


@pytest.mark.parametrize("ending", [".dcm", ".rtstruct.dcm"])
def test_a_segment_that_a_user_has_named_in_any_script_keeps_its_name(tmp_path, ending):
    source = write_series(
        tmp_path / "ct", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^J"
    )
    labelmap = labelmap_on(read_volume(source).grid)
    used = [organ for organ in ORGANS if np.any(labelmap.array == organ.value)]
    labels = LabelSet(tuple(replace(organ, name=f"肝臓 {organ.value} ä") for organ in used))
    path = tmp_path / "out" / f"seg{ending}"
    write_labelmap(labelmap, path, made_from(source), labels)
    found = pydicom.dcmread(path)
    assert found.PatientName == "Müller^J"
    segments = found.get("SegmentSequence") or found.StructureSetROISequence
    names = [one.get("SegmentLabel") or one.ROIName for one in segments]
    assert names == [organ.name for organ in labels.organs]


def test_all_thirteen_organs_have_a_segment_each(tmp_path):
    source = write_series(tmp_path / "ct")
    grid = read_volume(source).grid
    array = np.zeros(grid.shape, np.uint8)
    for organ in ORGANS:
        array[organ.value, :, organ.value] = organ.value
    write_labelmap(Labelmap(array, grid), tmp_path / "seg.dcm", made_from(source), FLARE)
    found = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert [one.SegmentLabel for one in found.SegmentSequence] == [organ.name for organ in ORGANS]
    assert [one.SegmentNumber for one in found.SegmentSequence] == list(range(1, 14))


def test_one_series_of_a_folder_and_one_file_of_a_series_do(tmp_path):
    write_series(tmp_path / "a", SeriesInstanceUID="1.2.3")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2.4")
    labelmap = labelmap_on(read_volume(tmp_path, series="1.2.4").grid)
    one_file = next((tmp_path / "b").iterdir())
    for i, made in enumerate((made_from(tmp_path, "1.2.4"), made_from(one_file))):
        write_labelmap(labelmap, tmp_path / f"{i}.dcm", made)
        ds = pydicom.dcmread(tmp_path / f"{i}.dcm")
        assert ds.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.4"


def test_a_segmentation_beside_its_ct_is_no_second_series_and_can_be_replaced(tmp_path):
    source = write_series(tmp_path / "ct")
    volume = read_volume(source)
    for _ in range(2):
        write_labelmap(labelmap_on(volume.grid), source / "seg.dcm", made_from(source), FLARE)
    np.testing.assert_array_equal(read_volume(source).array, volume.array)


def test_a_slice_of_a_ct_is_never_replaced(tmp_path):
    source = write_series(tmp_path / "ct")
    path = next(source.iterdir())
    before = path.read_bytes()
    with pytest.raises(OutputError, match="is a DICOM image: choose another"):
        write_labelmap(labelmap_on(read_volume(source).grid), path, made_from(source))
    assert path.read_bytes() == before


def test_what_anonymizers_remove_is_left_empty(tmp_path):
    gone = dict.fromkeys(("PatientName", "PatientID"))
    _, path = written(tmp_path, **gone)
    ds = pydicom.dcmread(path)
    assert not ds.PatientName
    assert not ds.StudyDate


def test_a_series_without_frame_of_reference_is_refused(tmp_path):
    source = write_series(tmp_path / "ct", FrameOfReferenceUID="")
    labelmap = labelmap_on(read_volume(source).grid)
    with pytest.raises(InputError, match=r"has no FrameOfReferenceUID.*or choose \.nii\.gz"):
        write_labelmap(labelmap, tmp_path / "seg.dcm", made_from(source), FLARE)
    assert not (tmp_path / "seg.dcm").exists()


def test_a_series_without_uids_is_refused_before_the_voxels_are_read(tmp_path, monkeypatch):
    source = write_series(tmp_path / "ct", FrameOfReferenceUID="")
    with pytest.raises(InputError, match=r"has no FrameOfReferenceUID.*or choose \.nii\.gz"):
        check_source(tmp_path / "seg.dcm", source, None)
    check_source(tmp_path / "organs.nii.gz", source, None)


def test_headers_that_do_not_do_are_an_error_with_a_cure(tmp_path, monkeypatch):
    source = write_series(tmp_path / "ct")
    labelmap = labelmap_on(read_volume(source).grid)

    def fail(*_):
        raise AttributeError("no attribute\n'Something'")

    monkeypatch.setattr(seg, "_to_seg", fail)
    with pytest.raises(InputError, match=r"ct has .*no attribute 'Something'\).*choose \.nii\.gz"):
        write_labelmap(labelmap, tmp_path / "seg.dcm", made_from(source), FLARE)


def test_an_empty_labelmap_is_refused(tmp_path):
    source = write_series(tmp_path / "ct")
    grid = read_volume(source).grid
    with pytest.raises(OutputError, match="no organ was found and a DICOM SEG cannot be empty"):
        write_labelmap(
            Labelmap(np.zeros(grid.shape, np.uint8), grid),
            tmp_path / "seg.dcm",
            made_from(source),
        )
    assert [one.name for one in tmp_path.iterdir()] == ["ct"]


def test_a_file_that_is_no_dicom_is_refused_before_the_work(tmp_path):
    source = tmp_path / "ct.nii.gz"
    source.write_bytes(b"whatever")
    with pytest.raises(OutputError, match=r"ct\.nii\.gz is not: use one of \.nii\.gz"):
        check_writable(tmp_path / "seg.dcm", source)


def test_without_highdicom_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(seg, "find_spec", lambda _: None)
    with pytest.raises(OutputError, match=r"pip install 'highdicom>=0.28'"):
        check_writable(tmp_path / "seg.dcm", tmp_path)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    source = write_series(tmp_path / "ct")
    labelmap = labelmap_on(read_volume(source).grid)

    def full(self, path, **_):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(highdicom.seg.Segmentation, "save_as", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_labelmap(labelmap, tmp_path / "seg.dcm", made_from(source), FLARE)
    assert [one.name for one in tmp_path.iterdir()] == ["ct"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"CS\x02\0M ", b"CS\x02\0X "),
        (b"DA\x08\x0019501211", b"DA\x08\0ANONYMIZ"),
        (b"DA\x08\x0020200101", b"DA\x08\0REMOVED "),
        (b"TM\x06\x00101112", b"TM\x06\0hidden"),
        (b"CS\x0a\0ISO_IR 100", b"CS\x0a\0ISO_XX 999"),
        (b"IS\x0a\x002147483000", b"IS\x0a\x002147483600"),
    ],
)
def test_words_where_dicom_wants_codes_are_left_empty(tmp_path, old, new):
    tags = {"PatientSex": "M", "PatientBirthDate": "19501211", "StudyDate": "20200101",
            "StudyTime": "101112", "SpecificCharacterSet": "ISO_IR 100",
            "SeriesNumber": 2147483000}  # fmt: skip
    folder = write_series(tmp_path / "ct", **tags)
    for path in folder.iterdir():
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))
    slices = series_paths(folder, None)
    seg.check_series(slices)
    labelmap = Labelmap((ct_array() > 0).astype(np.uint8), read_volume(folder).grid)
    made = seg.Provenance(folder, None, "tiny", "0")
    seg.write_dicom_seg(labelmap, FLARE, slices, tmp_path / "o.dcm", made)
    ds = pydicom.dcmread(tmp_path / "o.dcm")
    assert ds.SeriesNumber < 2**31
    assert ds.PatientSex in ("M", "", None)
    assert ds.SOPInstanceUID
