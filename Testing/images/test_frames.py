import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.batch.cases import find_cases
from FlareSegLib.batch.manifest import cases_of
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.writing import write_labelmap
from Testing.dicom_series import ct_array


def write_frames(path, kind):
    images = []
    for seed in range(3):
        image = sitk.GetImageFromArray(ct_array(seed).astype(kind))
        image.SetSpacing((0.5, 0.75, 2.5))
        images.append(image)
    sitk.WriteImage(sitk.JoinSeries(images), str(path))
    return path


@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha"])
def test_each_frame_of_a_4d_file_can_be_read(tmp_path, name, kind):
    path = write_frames(tmp_path / name, kind)
    for seed in range(3):
        volume = read_volume(path, series=f"#{seed + 1}")
        np.testing.assert_array_equal(volume.array, ct_array(seed))
        np.testing.assert_allclose(volume.grid.spacing_mm, (2.5, 0.75, 0.5))


@pytest.mark.parametrize(("frame", "words"), [(None, "is 4-D"), ("#4", "no frame 4"), ("#0", "0")])
def test_a_frame_must_be_named_and_there(tmp_path, frame, words):
    with pytest.raises(InputError, match=words) as caught:
        read_volume(write_frames(tmp_path / "ct.nii", np.int16), series=frame)
    assert "pass --frame N, from 1 to 3" in str(caught.value)


def test_a_3d_file_has_one_frame(tmp_path):
    image = sitk.GetImageFromArray(ct_array())
    sitk.WriteImage(image, str(tmp_path / "ct.nii"))
    assert read_volume(tmp_path / "ct.nii", series="#1").array.shape == ct_array().shape
    with pytest.raises(InputError, match="leave --frame out"):
        read_volume(tmp_path / "ct.nii", series="#2")


def test_a_labelmap_of_a_frame_is_3d(tmp_path):
    volume = read_volume(write_frames(tmp_path / "ct.nii", np.int16), series="#2")
    write_labelmap(Labelmap((volume.array > 0).astype(np.uint8), volume.grid), tmp_path / "o.nii")
    assert sitk.ReadImage(str(tmp_path / "o.nii")).GetSize() == (24, 20, 18)


def test_a_damaged_packed_file_of_floats_is_refused(tmp_path):
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(ct_array().astype(np.float32)), str(path))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(InputError, match="cut off or damaged"):
        read_volume(path)


def test_batch_takes_every_frame_of_a_4d_file(tmp_path):
    (tmp_path / "in").mkdir()
    images = [sitk.GetImageFromArray(ct_array(seed)) for seed in range(11)]
    sitk.WriteImage(sitk.JoinSeries(images), str(tmp_path / "in" / "gated.nii.gz"))
    sitk.WriteImage(images[0], str(tmp_path / "in" / "one.nrrd"))
    found = find_cases(tmp_path / "in")
    frames = [f"gated_frame-{n:03d}" for n in range(1, 12)]
    assert [case.name for case in found] == [*frames, "one"]
    for seed in (0, 1, 10):
        volume = read_volume(found[seed].source, series=found[seed].series)
        np.testing.assert_array_equal(volume.array, ct_array(seed))
    assert [case.name for case in cases_of(tmp_path / "in" / "*.nii.gz")] == frames
    table = tmp_path / "in" / "cases.csv"
    table.write_text("path,case\ngated.nii.gz,a\none.nrrd,b\n")
    assert [case.name for case in cases_of(table)][::11] == ["a_frame-001", "b"]


def test_batch_leaves_a_4d_file_that_cannot_be_read_to_the_reader(tmp_path):
    (tmp_path / "ct.nii").write_bytes(b"no image")
    assert [case.series for case in find_cases(tmp_path)] == [None]


def write_color(path, kinds):
    """Write a NRRD whose voxels have three numbers each, on the axis that its kinds say."""
    sizes = {"d": None, **dict.fromkeys(("RGB-color", "vector", "list", "3-vector"), 3)}
    axes = iter((24, 20, 18))
    lengths = [sizes.get(kind) or next(axes) for kind in kinds]
    spaces = ["none" if kind != "domain" else "(%d,%d,%d)" for kind in kinds]
    at = iter(np.eye(3, dtype=int).tolist())
    spaces = [one if one == "none" else one % tuple(next(at)) for one in spaces]
    fields = {
        "type": "short", "dimension": len(kinds), "space": "left-posterior-superior",
        "sizes": " ".join(map(str, lengths)), "space directions": " ".join(spaces),
        "kinds": " ".join(kinds), "endian": "little", "encoding": "raw",
    }  # fmt: skip
    head = "\n".join(["NRRD0004", *(f"{key}: {value}" for key, value in fields.items()), "", ""])
    path.write_bytes(head.encode() + np.zeros(np.prod(lengths), np.int16).tobytes())
    return path


@pytest.mark.parametrize("kind", ["RGB-color", "vector", "list", "3-vector"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_color_file_is_one_case_in_a_batch(tmp_path, kind, is_first):
    kinds = [kind, *["domain"] * 3] if is_first else [*["domain"] * 3, kind]
    path = write_color(tmp_path / "ct.nrrd", kinds)
    assert [case.series for case in find_cases(tmp_path)] == [None]
    with pytest.raises(InputError):
        read_volume(path)


def test_a_file_of_five_axes_is_one_case_in_a_batch(tmp_path):
    nib = pytest.importorskip("nibabel", reason="nibabel is not installed")
    image = nib.Nifti1Image(np.zeros((24, 20, 18, 4, 3), np.int16), np.eye(4))
    nib.save(image, tmp_path / "ct.nii")
    assert [case.series for case in find_cases(tmp_path)] == [None]
