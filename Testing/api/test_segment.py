"""The core in a line of Python, on the kinds of scan that other programs hold."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import FlareSegLib as flareseg
from FlareSegLib.images.reading import read_labelmap
from Testing.phantoms import abdomen
from Testing.tiny_model import threshold_model, write_model

ROOT = Path(__file__).parents[2]
SHAPE, SPACING_MM = (40, 38, 48), (8.0, 8.0, 8.0)


@pytest.fixture(scope="module")
def truth():
    return abdomen(SHAPE, SPACING_MM)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny"
    folder = write_model(folder, threshold_model((16, 24, 24)), spacing_mm=SPACING_MM)
    return flareseg.load_model(folder, threads=1, runtime="onnxruntime")


def to_image(volume):
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    image.SetOrigin(volume.grid.origin)
    return image


@pytest.fixture(scope="module")
def expected(truth, model):
    """What comes of the phantom as a SimpleITK image."""
    result = flareseg.segment(to_image(truth[0]), model=model)
    return sitk.GetArrayFromImage(result.labels)


def test_the_phantom_is_found(expected, truth):
    labels = truth[1].array
    assert (expected == labels)[labels > 0].mean() > 0.9


def test_a_path_gives_an_image_on_its_grid(truth, model, expected, tmp_path):
    sitk.WriteImage(to_image(truth[0]), str(tmp_path / "ct.nii.gz"))
    result = flareseg.segment(tmp_path / "ct.nii.gz", model=model)
    assert isinstance(result.labels, sitk.Image)
    assert result.labels.GetSpacing() == (8, 8, 8)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(result.labels), expected)
    assert [row.key for row in result.report.organs][:2] == ["liver", "right_kidney"]


def test_a_simpleitk_image_gives_one_with_the_same_origin_and_axes(truth, model, expected):
    image = sitk.DICOMOrient(to_image(truth[0]), "RAS")
    labels = flareseg.segment(image, model=model).labels
    assert labels.GetOrigin() == image.GetOrigin()
    assert labels.GetDirection() == image.GetDirection()
    assert labels.GetPixelID() == sitk.sitkUInt8
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(labels, "LPS"))
    np.testing.assert_array_equal(back, expected)


def test_an_array_with_spacing_gives_an_array(truth, model, expected):
    labels = flareseg.segment(truth[0].array, spacing=SPACING_MM, model=model).labels
    assert isinstance(labels, np.ndarray)
    np.testing.assert_array_equal(labels, expected)


def test_an_array_with_an_affine_has_axes_of_any_order(truth, model, expected):
    array = truth[0].array.transpose(2, 1, 0)[::-1]  # x from left to right: R to L turned round
    affine = np.diag([8.0, -8.0, 8.0, 1.0])
    labels = flareseg.segment(array, affine=affine, model=model).labels
    np.testing.assert_array_equal(labels[::-1].transpose(2, 1, 0), expected)


def test_a_nibabel_image_gives_one_with_its_affine(truth, model, expected):
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([-8.0, -8.0, 8.0, 1.0])
    affine[:3, 3] = 5, 7, -11
    image = nibabel.Nifti1Image(truth[0].array.transpose(2, 1, 0), affine)
    image.set_qform(affine, 2)
    labels = flareseg.segment(image, model=model).labels
    assert isinstance(labels, nibabel.Nifti1Image)
    assert labels.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(labels.affine, affine)
    assert labels.header["qform_code"] == 2
    np.testing.assert_array_equal(np.asarray(labels.dataobj).transpose(2, 1, 0), expected)


def test_organs_are_left_out_that_were_not_asked_for(truth, model):
    result = flareseg.segment(
        truth[0].array, spacing=SPACING_MM, model=model, organs=["liver", "spleen"]
    )
    assert set(np.unique(result.labels)) == {0, 1, 3}
    assert [row.key for row in result.report.organs] == ["liver", "spleen"]


def test_one_organ_may_be_said_as_a_word(truth, model):
    labels = flareseg.segment(
        truth[0].array, spacing=SPACING_MM, model=model, organs="liver"
    ).labels
    assert set(np.unique(labels)) == {0, 1}


def test_labels_are_saved(truth, model, expected, tmp_path):
    flareseg.segment(truth[0].array, spacing=SPACING_MM, model=model).save(tmp_path / "o.nii.gz")
    np.testing.assert_array_equal(read_labelmap(tmp_path / "o.nii.gz").array, expected)


def test_progress_is_told_and_may_stop_the_run(truth, model):
    names = []

    def stop_late(step):
        names.append(step.name)
        if step.name == "restore":
            raise flareseg.Cancelled

    with pytest.raises(flareseg.Cancelled):
        flareseg.segment(truth[0].array, spacing=SPACING_MM, model=model, progress=stop_late)
    assert names[0] == "read"


def test_segment_file_writes_what_the_command_writes(truth, tmp_path):
    folder = write_model(tmp_path / "tiny", threshold_model((16, 24, 24)), spacing_mm=SPACING_MM)
    sitk.WriteImage(to_image(truth[0]), str(tmp_path / "ct.nii.gz"))
    report = flareseg.segment_file(
        tmp_path / "ct.nii.gz", tmp_path / "organs.nii.gz", model=folder, organs="liver"
    )
    assert [row.key for row in report.organs] == ["liver"]
    assert (tmp_path / "organs.report.json").is_file()


BAD = [
    ([1, 2], {}, "a list is no CT"),
    (np.zeros((2, 2)), {"spacing": (1, 1, 1)}, "has 2 axes"),
    (np.zeros((20, 20, 20)), {}, "needs its spacing in mm or its affine"),
    (np.zeros((20, 20, 20)), {"spacing": (1, 1)}, "three numbers in mm"),
    (np.zeros((20, 20, 20)), {"spacing": (1, 1, 1), "affine": np.eye(4)}, "one of the two"),
    (np.zeros((20, 20, 20)), {"affine": np.eye(3)}, "4 x 4 finite numbers"),
    (np.zeros((20, 20, 20)), {"affine": np.diag([1, 0, 1, 1])}, "axis of length 0"),
    (np.zeros((20, 20, 20)), {"spacing": (0, 1, 1)}, "voxel spacing"),
    (np.zeros((20, 20, 20)), {"spacing": (2, 2, 2)}, "the array"),
    (sitk.Image([20, 20], sitk.sitkInt16), {}, "has 2 dimensions"),
    (sitk.Image([20, 20, 20], sitk.sitkInt16), {"spacing": (1, 1, 1)}, "knows its spacing"),
    ("nowhere.nii.gz", {}, "nowhere.nii.gz"),
]  # fmt: skip


@pytest.mark.parametrize(("ct", "more", "words"), BAD, ids=[words for *_, words in BAD])
def test_what_is_no_ct_is_told(ct, more, words, model):
    with pytest.raises(flareseg.FlareSegError, match=words):
        flareseg.segment(ct, model=model, **more)


def test_an_unknown_organ_is_told_with_the_nearest(truth, model):
    with pytest.raises(flareseg.InputError, match="did you mean liver"):
        flareseg.segment(truth[0].array, spacing=SPACING_MM, model=model, organs=["livr"])


def test_what_is_public_is_listed_and_there():
    assert sorted(flareseg.__all__) == [
        "Cancelled", "FlareSegError", "InputError", "Model", "ModelError", "OutputError", "Report",
        "ResourceError", "Segmentation", "Step", "__version__", "load_model", "segment",
        "segment_file",
    ]  # fmt: skip
    assert all(getattr(flareseg, name) is not None for name in flareseg.__all__)
    assert all((getattr(flareseg, name).__doc__ or "x") for name in flareseg.__all__)
    assert dir(flareseg) == sorted(flareseg.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = flareseg.nothing


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, FlareSegLib; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"numpy", "SimpleITK", "onnxruntime", "typing", "argparse", "json"}
