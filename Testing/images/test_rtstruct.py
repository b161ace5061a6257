"""RT Structure Sets, read back by plastimatch, rt-utils and dciodvfy: others' programs."""

import shutil
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError, OutputError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.images.dicom.seg import Provenance
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.writing import check_grid, write_labelmap
from Testing.dicom_series import ct_array, write_series
from Testing.flare import BY_KEY, FLARE

pydicom = pytest.importorskip("pydicom", reason="extra dicom is not installed")
pytest.importorskip("highdicom", reason="extra dicom is not installed")
TILTED = (0.6, 0.8, 0.0, -0.64, 0.48, 0.6)
TURNED = (0.8, 0.6, 0.0, -0.6, 0.8, 0.0)
"""About the patient's axis: slices stay axial."""
FEET_FIRST = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def organs(grid):
    """Return a liver with a hole, a kidney in two pieces, an aorta through all slices."""
    array = np.zeros(grid.shape, np.uint8)
    array[2:9, 4:16, 3:14] = BY_KEY["liver"].value
    array[4:7, 8:11, 6:9] = 0
    array[5:7, 9, 7] = BY_KEY["gallbladder"].value
    array[3:6, 2:4, 18:22] = array[3:6, 6:8, 18:22] = BY_KEY["left_kidney"].value
    array[:, 17:19, 15:17] = BY_KEY["aorta"].value
    return Labelmap(array, grid)


def written(folder, **tags):
    source = write_series(folder / "ct", **tags)
    labelmap = organs(read_volume(source).grid)
    path = folder / "organs.rtstruct.dcm"
    write_labelmap(labelmap, path, Provenance(source, None, "flare13-test", "7"), FLARE)
    return labelmap, path, source


def dsc(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_plastimatch_reads_every_organ_back(tmp_path):
    if not shutil.which("plastimatch"):
        pytest.skip("plastimatch (Debian) is not installed")
    labelmap, path, source = written(tmp_path)
    words = ["plastimatch", "convert", "--input", path, "--referenced-ct", source]
    words += ["--output-prefix", tmp_path / "pm", "--prefix-format", "nrrd"]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    for key in ("liver", "gallbladder", "left_kidney", "aorta"):
        organ = BY_KEY[key]
        image = sitk.ReadImage(str(tmp_path / "pm" / f"{organ.name}.nrrd"))
        assert image.GetOrigin() == pytest.approx(labelmap.grid.origin, abs=1e-3)
        assert dsc(sitk.GetArrayFromImage(image) > 0, labelmap.array == organ.value) == 1.0


@pytest.mark.parametrize("axes", [(1, 0, 0, 0, 1, 0), FEET_FIRST, TURNED])
def test_rt_utils_reads_every_organ_back(tmp_path, axes):
    rt_utils = pytest.importorskip("rt_utils", reason="rt-utils is not installed")
    array = np.pad(ct_array(), ((0, 0), (2, 2), (0, 0)))  # rt-utils mixes up rows and columns
    square = {"array": array, "PixelSpacing": [0.5, 0.5]}
    labelmap, path, source = written(tmp_path, axes=axes, **square)
    found = rt_utils.RTStructBuilder.create_from(str(source), str(path))
    for key in ("liver", "gallbladder", "left_kidney", "aorta"):
        organ = BY_KEY[key]
        mask = found.get_roi_mask_by_name(organ.name).transpose(2, 0, 1)
        expected = labelmap.array == organ.value
        assert max(dsc(mask, expected), dsc(mask[::-1], expected)) == 1.0


def test_dciodvfy_finds_no_error(tmp_path):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (dicom3tools) is not installed")
    _, path, _ = written(tmp_path)
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, timeout=60)
    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []


def test_every_contour_lies_in_the_slice_that_it_names(tmp_path):
    _, path, source = written(tmp_path)
    positions = {
        ds.SOPInstanceUID: float(ds.ImagePositionPatient[2])
        for ds in map(pydicom.dcmread, source.iterdir())
    }
    ds = pydicom.dcmread(path)
    assert [one.ROIName for one in ds.StructureSetROISequence] == [
        "liver", "aorta", "gallbladder", "left kidney",
    ]  # fmt: skip
    pieces = []
    for roi in ds.ROIContourSequence:
        for one in roi.ContourSequence:
            z = np.array(one.ContourData, float).reshape(-1, 3)[:, 2]
            assert one.ContourGeometricType == "CLOSED_PLANAR"
            assert np.allclose(z, positions[one.ContourImageSequence[0].ReferencedSOPInstanceUID])
        pieces.append(len(roi.ContourSequence))
    assert pieces == [7, 18, 2, 6]  # 7 livers with keyholes, a kidney of two pieces in 3 slices
    assert ds.RTROIObservationsSequence[0].RTROIInterpretedType == "ORGAN"
    assert list(ds.ROIContourSequence[0].ROIDisplayColor) == list(BY_KEY["liver"].color)


def test_oblique_slices_are_refused_before_the_work(tmp_path):
    source = write_series(tmp_path / "ct", axes=TILTED)
    with pytest.raises(InputError, match=r"oblique.*choose \.dcm"):
        check_grid(tmp_path / "o.rtstruct.dcm", read_volume(source).grid)
    check_grid(tmp_path / "o.dcm", read_volume(source).grid)


def test_nothing_found_is_no_structure_set(tmp_path):
    source = write_series(tmp_path / "ct")
    grid = read_volume(source).grid
    empty = Labelmap(np.zeros(grid.shape, np.uint8), grid)
    with pytest.raises(OutputError, match="no organ was found"):
        write_labelmap(empty, tmp_path / "o.rtstruct.dcm", Provenance(source, None, "m", "7"))


def test_a_structure_set_beside_its_ct_does_not_get_in_the_way(tmp_path):
    labelmap, path, source = written(tmp_path)
    path.rename(source / "o.rtstruct.dcm")
    assert read_volume(source).grid == labelmap.grid
