"""What a header may say. Each refused one here once ended the process, hung, or was believed."""

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from FlareSegLib.base.errors import FlareSegError, InputError, ResourceError
from FlareSegLib.images.headers import checks
from FlareSegLib.images.headers.checks import DICOM, META, NIFTI, NRRD, image_format
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.safe_read import FORMATS, check_header
from Testing.dicom_series import ct_array, write_series

ROOT = Path(__file__).parents[2]
META_FIELDS = {
    "ObjectType": "Image",
    "NDims": "3",
    "DimSize": "24 20 18",
    "ElementSpacing": "0.5 0.75 2.5",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
NRRD_FIELDS = {
    "type": "short",
    "dimension": "3",
    "sizes": "24 20 18",
    "space": "left-posterior-superior",
    "space directions": "(0.5,0,0) (0,0.75,0) (0,0,2.5)",
    "endian": "little",
    "encoding": "raw",
}
VOXELS = ct_array().astype("<i2").tobytes()
REFUSED = "same folder|another folder|no regular file"
FIXTURE = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40)
WORDS = st.one_of(
    TEXTS,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["-1", "%s%n", "/dev/zero"]),
)


def write_meta(path, **fields):
    lines = [
        f"{key} = {value}\n" for key, value in (META_FIELDS | fields).items() if value is not None
    ]
    lines.sort(key=lambda line: line.startswith("ElementDataFile"))
    path.write_bytes("".join(lines).encode("latin-1") + VOXELS)
    return path


def write_nrrd(path, **fields):
    named = {key.replace("_", " "): value for key, value in fields.items()}
    lines = [f"{k}: {v}\n" for k, v in (NRRD_FIELDS | named).items() if v is not None]
    path.write_bytes(("NRRD0004\n" + "".join(lines) + "\n").encode("latin-1") + VOXELS)
    return path


def write_nifti(path, *, at=0, kind="", values=()):
    image = sitk.GetImageFromArray(ct_array())
    image.SetSpacing((0.5, 0.75, 2.5))
    sitk.WriteImage(image, str(path))
    is_packed = path.suffix == ".gz"
    data = bytearray(gzip.decompress(path.read_bytes()) if is_packed else path.read_bytes())
    struct.pack_into(f"<{kind}", data, at, *values)
    path.write_bytes(gzip.compress(data) if is_packed else data)
    return path


@pytest.mark.parametrize("write", [write_meta, write_nrrd])
def test_the_plain_header_is_read(tmp_path, write):
    volume = read_volume(write(tmp_path / ("ct.mha" if write is write_meta else "ct.nrrd")))
    np.testing.assert_array_equal(volume.array, ct_array())
    assert volume.grid.spacing_mm == (2.5, 0.75, 0.5)


@pytest.mark.parametrize(
    "fields",
    [
        {"NDims": "-1"},  # ended the process
        {"NDims": "65536"},  # ended the process
        {"NDims": "9999999999999999999"},  # ended the process
        {"NDims": "1e308"},  # ended the process
        {"ElementDataFile": "%s%n"},  # ended the process: a format string
        {"ElementDataFile": "slice%03d.raw 1 18 1"},
        {"ElementDataFile": "LIST"},
        {"ElementDataFile": "ct.raw"},
        {"ElementSpacing": "0.5 0.75 inf"},  # hung
        {"ElementSpacing": "0.5 -inf 2.5"},  # hung
        {"ElementSpacing": "0.5 nan 2.5"},
        {"TransformMatrix": "1 0 0 0 1 0"},
        {"DimSize": "24 20 18 5"},
        {"DimSize": "24 20 -18"},
        {"ElementType": "MET_OTHER"},
        {"ElementType": None},
        {"ElementNumberOfChannels": "0"},
        {"BinaryData": "False"},
        {"HeaderSize": "100"},
        {"ObjectType": "Scene"},
    ],
)
def test_a_metaimage_header_out_of_bounds_is_refused(tmp_path, fields):
    with pytest.raises(InputError, match=r"ct\.mha"):
        read_volume(write_meta(tmp_path / "ct.mha", **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"dimension": "17"},
        {"sizes": "24 20 4294967296000"},
        {"sizes": "24 20 0"},
        {"type": "block"},
        {"encoding": "hex"},
        {"encoding": "bzip2"},
        {"space_directions": "(0.5,0,0) (0,nan,0) (0,0,2.5)"},
        {"space_origin": "(0,0,1e999)"},
        {"line_skip": "-1"},
        {"byte_skip": "99999999999"},
        {"data_file": "LIST"},
        {"data_file": ""},
        {"data_file": "\xa0"},
        {"data_file": "ct%03d.raw 1 18 1"},
        {"endian": "middle"},
        {"type": None},
    ],
)
def test_a_nrrd_header_out_of_bounds_is_refused(tmp_path, fields):
    with pytest.raises(InputError, match=r"ct\.nrrd"):
        read_volume(write_nrrd(tmp_path / "ct.nrrd", **fields))


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize(
    ("at", "kind", "values"),
    [
        (40, "h", [8]),
        (40, "h", [-3]),
        (42, "h", [-24]),
        (46, "h", [0]),
        (70, "2h", [4, 8]),
        (70, "2h", [9999, 16]),
        (80, "f", [float("nan")]),
        (108, "f", [-352.0]),
        (108, "f", [float("inf")]),
        (112, "2f", [1.0, float("inf")]),
        (268, "f", [float("nan")]),
        (0, "i", [347]),
    ],
)
def test_a_nifti_header_out_of_bounds_is_refused(tmp_path, name, at, kind, values):
    with pytest.raises(InputError, match=r"ct\.nii"):
        read_volume(write_nifti(tmp_path / name, at=at, kind=kind, values=values))


@pytest.mark.parametrize(
    "named", ["../ct.raw", "/etc/passwd", "a/ct.raw", "link.raw", "..", "fifo"]
)
@pytest.mark.parametrize("write", [write_meta, write_nrrd])
def test_data_outside_the_folder_is_not_touched(tmp_path, write, named):
    folder = tmp_path / "in"
    (folder / "a").mkdir(parents=True)
    for place in (tmp_path, folder / "a"):
        (place / "ct.raw").write_bytes(VOXELS)
    (folder / "link.raw").symlink_to("../ct.raw")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "fifo")
    path = folder / ("ct.mhd" if write is write_meta else "ct.nhdr")
    key = "ElementDataFile" if write is write_meta else "data_file"
    write(path, **{key: named})
    with pytest.raises(InputError, match=REFUSED):
        read_volume(path)


def test_data_beside_the_header_is_read(tmp_path):
    (tmp_path / "ct.raw").write_bytes(VOXELS)
    write_meta(tmp_path / "ct.mhd", ElementDataFile="ct.raw")
    write_nrrd(tmp_path / "ct.nhdr", data_file="ct.raw")
    for name in ("ct.mhd", "ct.nhdr"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).array, ct_array())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_a_pipe_or_device_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "ct.nii")
    (tmp_path / "zero.nii").symlink_to("/dev/zero")
    for name in ("ct.nii", "zero.nii"):
        with pytest.raises(InputError, match="no regular file"):
            read_volume(tmp_path / name)


def test_a_promise_beyond_memory_is_refused_before_anything_is_allocated(tmp_path, monkeypatch):
    path = write_meta(tmp_path / "ct.mha", DimSize="20000 20000 18")  # 13.4 GiB
    monkeypatch.setattr(checks, "free_mib", lambda: 8000.0)
    with pytest.raises(ResourceError, match="20000 x 20000 x 18 voxels, 13733 MiB"):
        read_volume(path)


def test_a_small_packed_file_cannot_hold_a_large_volume(tmp_path, monkeypatch):
    """Deflate packs at most 1 to 1032: 20 kB cannot be 500 x 500 x 500 voxels."""
    monkeypatch.setattr(checks, "free_mib", lambda: 1e9)
    path = write_nifti(tmp_path / "ct.nii.gz", at=42, kind="3h", values=[500, 500, 500])
    with pytest.raises(InputError, match=r"cut off or damaged \(\d+ packed of 250000352 bytes"):
        read_volume(path)


def test_a_gzip_file_that_never_ends_is_read_as_far_as_needed(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz")
    one = gzip.compress(bytes(1 << 24))
    with path.open("ab") as file:
        file.write(one * 200)  # 3 GB, once unpacked
    opened = []
    real = gzip.GzipFile.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip.GzipFile, "read", lambda f, n=-1: opened.append(n) or real(f, n))
        np.testing.assert_array_equal(read_volume(path).array, ct_array())
    assert 0 < sum(opened) < 3 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_a_gzip_file_that_holds_more_than_it_says_takes_no_more_memory(tmp_path):
    """8 kB of voxels by the header, 512 MiB in the one gzip member."""
    path = write_nifti(tmp_path / "ct.nii.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(512 << 20), 1))
    code = (
        "import sys; from pathlib import Path; from FlareSegLib.images.reading import read_volume\n"
        "def peak():\n"
        "    told = Path('/proc/self/status').read_text()\n"
        "    return int(told.split('VmHWM:')[1].split()[0])\n"
        "before = peak(); read_volume(Path(sys.argv[1])); print(peak() - before)"
    )
    words = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) < 100 << 10  # kB


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b"\x89PNG\r\n", "ct.nii.gz", "PNG"),
        (bytes(128) + b"DICM" + bytes(9), "ct.nii", DICOM),
        (b"NRRD0005\n", "x", NRRD),
        (b"ObjectType = Image\nNDims = 3\n", "ct.mha", META),
        (b"ObjectType = Image\nNDims = 3\n", "ct.txt", "unknown"),
        (bytes(344) + b"n+1\0", "x.nii", NIFTI),
        (b"\x08\0\x05\0" + bytes(200), "IM1", DICOM),
        (b"", "x.dcm", "unknown"),
    ],
)
def test_the_format_is_told_by_the_first_bytes(tmp_path, content, name, expected):
    (tmp_path / name).write_bytes(content)
    assert image_format(tmp_path / name) == expected


# Hypothesis: whatever stands there, the answer is a header or one of our errors


def outcome(path, format_name):
    assert format_name in FORMATS
    try:
        return check_header(path, format_name)
    except FlareSegError as error:
        told = str(error)
    assert "\n" not in told
    return None


@FIXTURE
@given(
    st.dictionaries(st.sampled_from([*META_FIELDS, "Comment", "Offset", "A"]), WORDS, max_size=3)
)
def test_any_metaimage_field_is_taken_or_refused(tmp_path, fields):
    found = outcome(write_meta(tmp_path / "ct.mha", **fields), META)
    assert found is None or found.data.parent == tmp_path


@FIXTURE
@given(
    st.dictionaries(st.sampled_from([*NRRD_FIELDS, "data file", "units", "A"]), WORDS, max_size=3)
)
def test_any_nrrd_field_is_taken_or_refused(tmp_path, fields):
    found = outcome(write_nrrd(tmp_path / "ct.nrrd", **fields), NRRD)
    assert found is None or found.data.parent == tmp_path


@FIXTURE
@given(st.integers(0, 347), st.binary(min_size=1, max_size=16))
def test_any_nifti_bytes_are_taken_or_refused(tmp_path, at, values):
    path = tmp_path / "ct.nii"
    write_nifti(path, at=min(at, 348 - len(values)), kind=f"{len(values)}s", values=[values])
    found = outcome(path, NIFTI)
    assert found is None or found.expected <= path.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("key", ["mha", "niigz", "nrrd", "mhdz", "dicom", "dicom-jpeg"])
def test_damaged_files_are_read_or_refused_in_one_line(key):
    """The first of the files that `make fuzz` goes through by the thousand."""
    words = [sys.executable, "-m", "Testing.fuzz.run", "--count", "40", key]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout


def test_a_position_that_is_no_number_is_refused(tmp_path):
    import pydicom

    path = sorted(write_series(tmp_path / "s").iterdir())[3]
    data = pydicom.dcmread(path)
    data["ImagePositionPatient"]._value = ["-80", "-60", "nan"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
        data.save_as(path)
    with pytest.raises(InputError, match="without position"):
        read_volume(tmp_path / "s")
