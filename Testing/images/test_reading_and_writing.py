import gzip
import struct
from contextlib import contextmanager

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from FlareSegLib.base.errors import InputError, OutputError, ResourceError
from FlareSegLib.base.geometry import IDENTITY, Grid, Labelmap
from FlareSegLib.images.reading import read_labelmap, read_volume, to_volume
from FlareSegLib.images.writing import EXTENSIONS, check_writable, write_labelmap
from Testing.flare import BY_KEY, FLARE
from Testing.images import refusals

SHAPE = (17, 19, 23)
SPACING_MM = (2.5, 0.75, 0.5)
OBLIQUE = ((0.0, 0.6, 0.8), (0.0, 0.8, -0.6), (-1.0, 0.0, 0.0))


def ct_array(shape=SHAPE):
    """Return air with a body of fat and soft tissue in it, noise of 10 HU, int16."""
    rng = np.random.default_rng(7)
    array = np.full(shape, -1000.0)
    array[:, 3:16, 3:20] = -100
    array[:, 5:14, 5:18] = 50
    return (array + rng.normal(0, 10, shape)).astype(np.int16)


def ct_image(array=None):
    image = sitk.GetImageFromArray(ct_array() if array is None else array)
    image.SetSpacing(SPACING_MM[::-1])
    image.SetOrigin((-12.5, 30.25, 700.0))
    image.SetDirection(np.array(OBLIQUE)[::-1].T.ravel().tolist())
    return image


def saved(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=path.suffix != ".nii")
    return path


def refusal(path, **options):
    """Return the one line with which read_volume refuses path; it says its name."""
    message = refusals.refusal(path, **options)
    assert path.name in message
    return message


# reading


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "ct.mhd"])
def test_every_format_gives_the_same_voxels_and_grid(tmp_path, name):
    volume = read_volume(saved(tmp_path / name, ct_image()))
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, ct_array())
    np.testing.assert_allclose(volume.grid.spacing_mm, SPACING_MM)
    np.testing.assert_allclose(volume.grid.origin, (-12.5, 30.25, 700.0), rtol=1e-6)
    np.testing.assert_allclose(volume.grid.direction, OBLIQUE, atol=1e-6)


def test_a_voxel_lies_where_simpleitk_says(tmp_path):
    image = ct_image()
    grid = read_volume(saved(tmp_path / "ct.nrrd", image)).grid
    x, y, z = 4, 7, 11
    expected = image.TransformIndexToPhysicalPoint((x, y, z))
    np.testing.assert_allclose(grid.to_world((z, y, x)), expected)


def test_paths_may_hold_spaces_and_any_letters(tmp_path):
    path = saved(tmp_path / "Müller Ærø 患者" / "CT 1.5 mm ß.nii.gz", ct_image())
    np.testing.assert_array_equal(read_volume(path).array, ct_array())


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha"])
def test_one_time_point_is_no_fourth_axis(tmp_path, name):
    path = saved(tmp_path / name, sitk.JoinSeries([ct_image()]))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, ct_array())
    np.testing.assert_allclose(volume.grid.direction, OBLIQUE, atol=1e-6)


def test_several_gzip_members_and_trailing_bytes_are_whole(tmp_path):
    data = saved(tmp_path / "ct.nii", ct_image()).read_bytes()
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(gzip.compress(data[:5000]) + gzip.compress(data[5000:] + b"tail"))
    np.testing.assert_array_equal(read_volume(path).array, ct_array())


def test_an_offset_cures_a_shifted_ct(tmp_path):
    path = saved(tmp_path / "ct.nii.gz", ct_image((ct_array() + 1050).astype(np.uint16)))
    assert "--hu-offset -1024" in refusal(path)
    np.testing.assert_array_equal(read_volume(path, hu_offset=-1050).array, ct_array())


def test_the_voxels_outlive_the_image_they_came_from():
    image = ct_image()
    array = to_volume(image).array
    address = sitk.GetArrayViewFromImage(image).__array_interface__["data"][0]
    assert array.__array_interface__["data"][0] == address  # no copy
    del image
    others = [sitk.Image(list(SHAPE[::-1]), sitk.sitkInt16) for _ in range(20)]
    np.testing.assert_array_equal(array, ct_array())
    assert len(others) == 20


# refusing


def test_a_missing_path_is_refused(tmp_path):
    message = refusal(tmp_path / "none.nii.gz")
    assert "No such file" in message
    assert "give a CT" in message


@pytest.mark.parametrize("name", ["a.txt", "a.nii.gz", "a.nrrd", "a.dcm", "noextension"])
@pytest.mark.parametrize("content", [b"", b"hello", bytes(2000)])
def test_what_is_no_image_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert "give a CT as NIfTI" in refusal(tmp_path / name)


def test_a_picture_is_refused(tmp_path):
    path = saved(tmp_path / "a.png", sitk.Image(64, 64, sitk.sitkUInt8))
    assert "format PNG" in refusal(path)


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha"])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_cut_file_is_refused(tmp_path, name, share):
    path = saved(tmp_path / name, ct_image())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    message = refusal(path)
    assert "cut off or damaged" in message
    assert "copy or download it again" in message


def test_a_gzip_file_without_its_end_is_refused_even_if_all_voxels_are_there(tmp_path):
    path = saved(tmp_path / "ct.nii.gz", ct_image())
    path.write_bytes(path.read_bytes()[:-8])  # checksum and length
    assert "cut off or damaged" in refusal(path)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (ct_image()[:, :, 5], "2-D (23 x 19)"),
        (sitk.JoinSeries([ct_image()] * 3), "4-D (23 x 19 x 17 x 3): pass --frame N, from 1 to 3"),
        (sitk.Compose([sitk.Cast(ct_image(), sitk.sitkUInt8)] * 3), "vector of 8-bit unsigned"),
        (ct_image()[:, :, :15], "23 x 19 x 15 voxels, 15 along its shortest axis"),
        (ct_image()[:4], "4 x 19 x 17 voxels"),
    ],
)
def test_a_wrong_shape_is_refused(tmp_path, image, words):
    message = refusal(saved(tmp_path / "ct.nii.gz", image))
    assert words in message


def test_sixteen_slices_are_enough(tmp_path):
    assert read_volume(saved(tmp_path / "ct.nii.gz", ct_image()[:, :, :16])).grid.shape[0] == 16


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_not_finite_are_refused(tmp_path, value):
    array = ct_array().astype(np.float32)
    array[3, 4, 5] = value
    path = saved(tmp_path / "ct.nrrd", ct_image(array))
    assert "1 NaN or infinite voxels" in refusal(path)


def test_one_value_and_an_mr_are_refused(tmp_path):
    path = saved(tmp_path / "flat.nii.gz", ct_image(np.zeros(SHAPE, np.int16)))
    assert "value 0 in every voxel" in refusal(path)
    mr = np.random.default_rng(0).gamma(2, 60, SHAPE).astype(np.int16)
    assert "not a CT in Hounsfield units" in refusal(saved(tmp_path / "mr.nii.gz", ct_image(mr)))


@pytest.mark.parametrize(
    "spacing_xyz_mm", [(0.05, 0.7, 2), (0.7, 11, 12), (0.7, 0.7, 16), (1000, 700, 2500)]
)
def test_an_absurd_spacing_is_refused(tmp_path, spacing_xyz_mm):
    image = ct_image()
    image.SetSpacing(spacing_xyz_mm)
    found = " x ".join(f"{step:g}" for step in spacing_xyz_mm)
    assert f"spacing of {found} mm" in refusal(saved(tmp_path / "ct.nrrd", image))


@pytest.mark.parametrize("spacing_xyz_mm", [(1, 1, 1), (0.3, 0.3, 0.5), (0.9, 15, 0.9)])
def test_unusual_spacings_are_accepted(tmp_path, spacing_xyz_mm):
    image = ct_image()
    image.SetSpacing(spacing_xyz_mm)
    volume = read_volume(saved(tmp_path / "ct.nrrd", image))
    assert volume.grid.spacing_mm == spacing_xyz_mm[::-1]


MHA = """ObjectType = Image
NDims = 3
DimSize = 23 19 17
ElementType = MET_SHORT
ElementSpacing = {spacing}
TransformMatrix = {matrix}
ElementDataFile = LOCAL
"""


@pytest.mark.parametrize(
    ("spacing", "matrix", "words"),
    [
        ("1 0 1", "1 0 0 0 1 0 0 0 1", "spacing of 0 mm"),
        ("1 1 1", "0 0 0 0 0 0 0 0 0", "not at right angles"),
        ("1 1 1", "1 0 0 0.2 1 0 0 0 1", "not at right angles"),
    ],
)
def test_a_broken_geometry_is_refused(tmp_path, spacing, matrix, words):
    path = tmp_path / "ct.mha"
    header = MHA.format(spacing=spacing, matrix=matrix).encode()
    path.write_bytes(header + ct_array().tobytes())
    assert words in refusal(path)


def test_a_sheared_nifti_is_refused_without_lines_on_stderr(tmp_path, capfd):
    path = saved(tmp_path / "ct.nii", ct_image())
    data = bytearray(path.read_bytes())
    struct.pack_into("<2h", data, 252, 0, 2)  # no qform, an sform
    struct.pack_into("<12f", data, 280, 1, 0, 0.5, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    path.write_bytes(data)
    assert "not at right angles" in refusal(path)
    assert capfd.readouterr().err == ""


def test_a_size_beyond_memory_is_refused(tmp_path):
    path = tmp_path / "ct.mha"
    header = MHA.format(spacing="1 1 1", matrix="1 0 0 0 1 0 0 0 1")
    path.write_text(header.replace("23 19 17", "300000 300000 300000"))
    with pytest.raises(ResourceError, match="does not fit into memory"):
        read_volume(path)


def test_a_series_is_for_dicom_only(tmp_path):
    path = saved(tmp_path / "ct.nii.gz", ct_image())
    assert "--series is 1.2.3" in refusal(path, series="1.2.3")


# writing


def labelmap(grid=None):
    """Return liver and left kidney as boxes: z 1-2, y 3-5, x 4-7 and z 6, y 7, x 8."""
    grid = grid or Grid(SHAPE, SPACING_MM, (-12.5, 30.25, 700.0), OBLIQUE)
    array = np.zeros(grid.shape, np.uint8)
    array[1:3, 3:6, 4:8] = BY_KEY["liver"].value
    array[6, 7, 8] = BY_KEY["left_kidney"].value
    return Labelmap(array, grid)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_labelmap_lies_on_the_voxels_of_its_ct(tmp_path, extension):
    path = tmp_path / "new folder" / f"größe 1.5 mm{extension}"
    write_labelmap(labelmap(), path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    image = sitk.ReadImage(str(path))
    assert image.GetPixelID() == sitk.sitkUInt8
    back = to_volume(image)
    np.testing.assert_array_equal(back.array, labelmap().array)
    np.testing.assert_allclose(back.grid.origin, (-12.5, 30.25, 700.0), rtol=1e-6)
    np.testing.assert_allclose(back.grid.spacing_mm, SPACING_MM)
    np.testing.assert_allclose(back.grid.direction, OBLIQUE, atol=1e-6)


def test_a_strided_array_is_written_as_it_looks(tmp_path):
    grid = Grid(SHAPE[::-1], SPACING_MM, (0, 0, 0), IDENTITY)
    turned = Labelmap(labelmap().array.transpose(2, 1, 0), grid)
    write_labelmap(turned, tmp_path / "a.nrrd")
    back = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nrrd")))
    np.testing.assert_array_equal(back, turned.array)


def test_nii_gz_is_packed_and_nii_is_not(tmp_path):
    write_labelmap(labelmap(), tmp_path / "a.nii.gz")
    write_labelmap(labelmap(), tmp_path / "a.nii")
    assert (tmp_path / "a.nii.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert (tmp_path / "a.nii").stat().st_size == 352 + 17 * 19 * 23


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    spacing_mm=st.tuples(*[st.floats(0.1, 9)] * 3),
    origin=st.tuples(*[st.floats(-2000, 2000)] * 3),
    turn=st.permutations(range(3)),
)
def test_nrrd_keeps_any_grid(tmp_path, shape, spacing_mm, origin, turn):
    direction = tuple(tuple(float(v) for v in row) for row in np.eye(3)[list(turn)])
    grid = Grid(shape, spacing_mm, origin, direction)
    write_labelmap(Labelmap(np.ones(shape, np.uint8), grid), tmp_path / "a.nrrd")
    back = to_volume(sitk.ReadImage(str(tmp_path / "a.nrrd"))).grid
    assert (back.shape, back.origin) == (shape, origin)
    np.testing.assert_allclose(back.spacing_mm, spacing_mm, rtol=1e-15)
    np.testing.assert_allclose(back.direction, direction, rtol=1e-15)


@pytest.mark.parametrize("name", ["a.png", "a.dcm", "a.nii.zip", "a", "nii.gz"])
def test_an_unknown_extension_is_refused_with_the_known_ones(tmp_path, name):
    for act in (check_writable, lambda path: write_labelmap(labelmap(), path)):
        with pytest.raises(OutputError, match=r"use one of \.nii\.gz, .*\.seg\.nrrd"):
            act(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_check_writable_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "a" / "b" / "ct.seg.nrrd")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").write_text("x")
    with pytest.raises(OutputError, match="a file is where a folder should be"):
        check_writable(tmp_path / "a" / "ct.nii.gz")


@contextmanager
def no_file_over(count):
    """Let the system refuse to write more than count bytes into a file, as a full disk does."""
    resource = pytest.importorskip("resource", reason="needs a limit of file size (POSIX)")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, extension):
    path = tmp_path / f"a{extension}"
    path.write_text("old")
    noise = np.random.default_rng(0).integers(0, 14, (40, 60, 60)).astype(np.uint8)
    big = Labelmap(noise, Grid(noise.shape, (1.0, 1.0, 1.0)))
    with no_file_over(20_000), pytest.raises(OutputError, match="choose another folder") as caught:
        write_labelmap(big, path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_ctrl_c_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.nii.gz"
    path.write_text("old")

    def interrupted(image, name, **_):
        with open(name, "w") as file:  # noqa: PTH123
            file.write("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(sitk, "WriteImage", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_labelmap(labelmap(), path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_seg_nrrd_tells_slicer_names_colors_codes_and_extents(tmp_path):
    write_labelmap(labelmap(), tmp_path / "a.seg.nrrd", labels=FLARE)
    text = (tmp_path / "a.seg.nrrd").read_bytes().split(b"\n\n")[0].decode()
    fields = dict(line.split(":=", 1) for line in text.splitlines() if ":=" in line)
    red, green, blue = (float(part) * 255 for part in fields["Segment0_Color"].split())
    np.testing.assert_allclose((red, green, blue), BY_KEY["liver"].color, atol=0.01)
    assert fields["Segment0_ID"] == "liver"
    assert fields["Segment0_LabelValue"] == "1"
    assert fields["Segment0_Extent"] == "4 7 3 5 1 2"
    assert fields["Segment1_ID"] == "left_kidney"
    assert fields["Segment1_Name"] == "left kidney"
    assert fields["Segment1_LabelValue"] == "13"
    assert fields["Segment1_Extent"] == "8 8 7 7 6 6"
    assert fields["Segment1_Tags"] == (
        "TerminologyEntry:Segmentation category and type - 3D Slicer General Anatomy list"
        "~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney~SCT^7771000^Left"
        "~Anatomic codes - DICOM master list~^^~^^|"
    )
    assert "~SCT^10200004^Liver~^^~" in fields["Segment0_Tags"]
    assert "Segment2_ID" not in fields
    assert fields["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert fields["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"
    assert fields["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"


def test_an_empty_labelmap_is_written_without_segments(tmp_path):
    empty = Labelmap(np.zeros(SHAPE, np.uint8), Grid(SHAPE, SPACING_MM))
    write_labelmap(empty, tmp_path / "a.seg.nrrd", labels=FLARE)
    image = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
    assert not any(key.startswith("Segment0") for key in image.GetMetaDataKeys())


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_labelmap_is_read_as_it_was_written(tmp_path, extension):
    written = labelmap()
    write_labelmap(written, tmp_path / f"organs{extension}")
    read = read_labelmap(tmp_path / f"organs{extension}")
    np.testing.assert_array_equal(read.array, written.array)
    assert read.array.dtype == np.uint8
    np.testing.assert_allclose(read.grid.origin, written.grid.origin, atol=1e-4)


@pytest.mark.parametrize("kind", [sitk.sitkInt16, sitk.sitkFloat32, sitk.sitkUInt32])
def test_a_labelmap_may_have_few_slices_and_any_type(tmp_path, kind):
    values = np.array([[[0, 1, 13, 255]]])
    sitk.WriteImage(sitk.Cast(sitk.GetImageFromArray(values), kind), str(tmp_path / "a.nii.gz"))
    assert read_labelmap(tmp_path / "a.nii.gz").array.tolist() == values.tolist()


@pytest.mark.parametrize("value", [-1, 256, 0.5, np.nan])
def test_values_that_no_labelmap_has_are_refused(tmp_path, value):
    image = sitk.GetImageFromArray(np.array([[[0, value]]], np.float32))
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    with pytest.raises(InputError, match=rf"a\.nrrd has the value {value:g}: .* 0 to 255"):
        read_labelmap(tmp_path / "a.nrrd")


def test_a_broken_labelmap_is_refused(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"broken")
    with pytest.raises(InputError, match=r"a\.nii\.gz is no labelmap: give a NIfTI"):
        read_labelmap(path)
    write_labelmap(labelmap(), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cut off or damaged"):
        read_labelmap(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("parts", [1, 2])
def test_a_packed_file_gives_the_voxels_and_grid_of_the_plain_one(tmp_path, order, parts):
    plain, packed = tmp_path / "a.nii", tmp_path / "b.nii.gz"
    sitk.WriteImage(ct_image(), str(plain))
    content = bytearray(plain.read_bytes())
    if order == ">":  # ITK reads it, the fast way does not
        content[352:] = np.frombuffer(content[352:], "<i2").astype(">i2").tobytes()
        for at, kind in ((0, "i"), (40, "8h"), (70, "2h"), (76, "8f"), (108, "3f"), (252, "2h"),
                         (256, "18f")):  # fmt: skip
            struct.pack_into(">" + kind, content, at, *struct.unpack_from("<" + kind, content, at))
    half = len(content) // parts
    packed.write_bytes(gzip.compress(content[:half]) + gzip.compress(content[half:]))
    if parts == 1:
        packed.write_bytes(gzip.compress(content))
    expected, found = read_volume(plain), read_volume(packed)
    assert found.grid == expected.grid
    np.testing.assert_array_equal(found.array, expected.array)


def test_packed_voxels_with_a_slope_are_scaled(tmp_path):
    path = tmp_path / "a.nii"
    sitk.WriteImage(ct_image(), str(path))
    content = bytearray(path.read_bytes())
    struct.pack_into("<2f", content, 112, 2.0, 10.0)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content))
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii.gz").array, 2 * ct_array() + 10)
