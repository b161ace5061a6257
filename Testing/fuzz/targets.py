"""What a stranger's bytes may and may not do to our own parsers: a rule for each of them.

A target takes bytes and a folder of its own. It passes for any bytes, or raises: that is a finding.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.base.atomic import digest
from FlareSegLib.base.errors import FlareSegError, InputError, ModelError
from FlareSegLib.base.job import Job
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.batch.journal import Journal, read_journal
from FlareSegLib.batch.manifest import cases_of
from FlareSegLib.batch.summary import Row, finished, row_of, write_summary
from FlareSegLib.images.archive import starts, unzipped
from FlareSegLib.images.dicom.acquired import AGENT, said_in_groups
from FlareSegLib.images.dicom.disc import lost_series, named_in
from FlareSegLib.images.dicom.elements import is_coded, is_plain
from FlareSegLib.images.dicom.enhanced import ENHANCED, layout_of, with_frames
from FlareSegLib.images.dicom.header import Slice, read_headers
from FlareSegLib.images.dicom.nested import opened
from FlareSegLib.images.headers.checks import DICOM, NIFTI, check_regular, image_format
from FlareSegLib.images.itk_header import itk_header
from FlareSegLib.images.privacy import identity_of
from FlareSegLib.images.safe_read import FORMATS, check_header, check_whole, read_here, unpacked
from FlareSegLib.inference.flat import with_rows
from FlareSegLib.inference.model_import import import_model
from FlareSegLib.inference.onnx_file import check_onnx
from FlareSegLib.pipeline import default_model
from Testing.dicom_disc import write_disc
from Testing.dicom_series import ct_array
from Testing.flare import ORGANS
from Testing.fuzz.seeds import SEEDS
from Testing.tiny_model import identity_model, write_model

LONGEST_ENDING = "_organs.thumbnail.png"
FLOAT_BYTES = 4
"""Of a voxel that a NIfTI header tells ITK to scale."""
Rule = Callable[[bytes, Path], None]


@dataclass(frozen=True)
class Target:
    """A parser: what is valid, and the rule that holds for anything."""

    seeds: Callable[[], list[bytes]]
    rule: Rule
    allowed: tuple[type[Exception], ...]
    """What the parser may raise."""

    def check(self, data: bytes, folder: Path) -> None:
        """Check the rule for these bytes, with an empty folder to work in.

        Raises:
            Exception: It does not hold.
        """
        with suppress(*self.allowed):
            self.rule(data, folder)


def image(name: str) -> Rule:
    """ITK shall not find more voxels in a file than the check of its header has counted."""

    def rule(data: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(data)
        check_regular(path)
        kind = image_format(path)
        if kind not in FORMATS:
            return
        header = check_header(path, kind)
        assert header.data.parent.resolve() == folder.resolve()
        if kind == NIFTI:
            check_whole(header, name)
            voxels = unpacked(header)
            assert voxels is None or voxels.shape == header.shape[::-1]
        if header.scale and len(header.shape) > 2:
            assert read_here(header).shape == header.shape[2::-1]
        assert _itk_bytes(path, kind) <= math.prod(header.shape) * max(
            header.voxel_bytes, FLOAT_BYTES
        )

    return rule


def _itk_bytes(path: Path, kind: str) -> int:
    try:
        reader = itk_header(path, kind, check_header(path, kind).stand_in)
    except RuntimeError:
        return 0
    one = sitk.Image([1, 1], reader.GetPixelID(), max(1, reader.GetNumberOfComponents()))
    count = math.prod(reader.GetSize()) * one.GetNumberOfComponentsPerPixel()
    return count * one.GetSizeOfPixelComponent()


def dicom(data: bytes, folder: Path) -> None:
    """A DICOM file gives headers or none, and an identity that hides all its words."""
    path = folder / "slice.dcm"
    path.write_bytes(data)
    identity = identity_of(path)
    shown = identity.hide(" ".join(identity.words)).lower()
    assert not [word for word in identity.words if len(word) > 3 and _is_in(word, shown, identity)]
    if image_format(path) == DICOM and is_plain(path):
        for found in read_headers([path]):
            assert all(
                math.isfinite(n) for n in (*found.position_mm, *found.axes, *found.spacing_mm)
            )


def directory(data: bytes, folder: Path) -> None:
    """What a media directory names has names; files that are not there are not opened."""
    path = folder / "DICOMDIR"
    path.write_bytes(data)
    for one in named_in(path):
        assert one.name
    assert lost_series(path, set()) is not None


def enhanced(data: bytes, folder: Path) -> None:
    """Each frame of an enhanced CT has its voxels in the file."""
    path = folder / "ct.dcm"
    path.write_bytes(data)
    said_in_groups(path, [AGENT])
    with opened(path) as content:
        layout = layout_of(content)
    whole = Slice(path, "1.2", "", "CT", (), (), (), sop_class=ENHANCED[0])
    frames = with_frames([whole])
    assert len(frames) in (1, layout.count)
    if frames[0].frame is not None:
        rows, columns = layout.shape[1:]
        voxels_bytes = layout.count * rows * columns * 2
        assert layout.voxels_at + voxels_bytes <= len(data) or is_coded(path)


def archive(data: bytes, folder: Path) -> None:
    """What a zip file holds goes into a folder of its own, which is removed."""
    path = folder / "ct.zip"
    path.write_bytes(data)
    list(starts(path, 400))
    with unzipped(path) as found:
        assert found == path or folder not in found.parents
    assert found == path or not found.exists()
    assert [one.name for one in folder.iterdir()] == ["ct.zip"]


def _is_in(word: str, shown: str, identity: object) -> bool:
    pseudonym = getattr(identity, "pseudonym", "")
    return word.lower() in shown.replace(pseudonym, "|")


def rows(data: bytes, folder: Path) -> None:
    """Only a number is changed: what comes out has the same fields."""
    changed = with_rows(data, 96, 64)
    assert len(with_rows(changed, 64, 96)) <= 2 * len(data) + 64


def onnx(data: bytes, folder: Path) -> None:
    """It is accepted or refused."""
    check_onnx(data, folder / "model.onnx")


def model_json(data: bytes, folder: Path) -> None:
    """What is accepted names its files plainly and has finite numbers."""
    (folder / "model.json").write_bytes(data)
    config = read_model_config(folder)
    assert all(Path(name).name == name for name in config.files)
    assert all(mm > 0 and math.isfinite(mm) for mm in config.logits_spacing_mm)


def model_zip(data: bytes, folder: Path) -> None:
    """Either a model folder comes out, or nothing does."""
    path, into = folder / "model.zip", folder / "into"
    path.write_bytes(data)
    try:
        found = [import_model(path, into)]
    except ModelError:
        found = []
    assert sorted(into.iterdir()) == found
    assert sorted(one.name for one in folder.iterdir()) == ["into", "model.zip"]


def manifest(data: bytes, folder: Path) -> None:
    """The name of each case is unique, and a plain part of a file name."""
    table = folder / "list.csv"
    table.write_bytes(data)
    names = [case.name for case in cases_of(table)]
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        full = f"{name}{LONGEST_ENDING}"
        assert Path(full).name == full
        assert not name.startswith(".")
        assert not set(full) & set('\\:*?"<>|\0')
        assert len(full.encode()) <= 255


def journal(data: bytes, folder: Path) -> None:
    """A journal in any state is read, and takes a line more that is read again."""
    path = folder / "journal.jsonl"
    path.write_bytes(data)
    before = read_journal(path)
    row = Row("a", "a.nii", "", "failed", "a reason")
    Journal(path).append(row)
    after = read_journal(path)
    assert after[:-1] == before
    assert row_of(after[-1]) == row


def report(data: bytes, folder: Path) -> None:
    """An old report is finished or not, and can then be a line of the summary."""
    job = Job(Path("ct.nii.gz"), folder / "ct_organs.nii.gz")
    job.labelmap.write_bytes(b"labels")
    job.report_path.write_bytes(data)
    found = finished(job)
    if found:
        row = Row("a", "a.nii", "", "skipped", measured=found)
        json.dumps(row.to_dict())
        write_summary([row], ORGANS, folder / "summary.csv")


def _of_itk(*keys: str) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        with tempfile.TemporaryDirectory() as name:
            paths = [SEEDS[key](Path(name, key)) for key in keys]
            files = [path if path.is_file() else sorted(path.iterdir())[0] for path in paths]
            return [path.read_bytes() for path in files]

    return seeds


def _small_nifti() -> list[bytes]:
    """Return files of few voxels: what is changed is mostly header."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        for size, kind in (((3, 2, 2), sitk.sitkInt16), ((2, 2, 2, 2), sitk.sitkFloat32)):
            path = Path(name, "a.nii")
            sitk.WriteImage(sitk.Image(size, kind), str(path))
            found.append(path.read_bytes())
    return found


def _packed_nifti() -> list[bytes]:
    return [gzip.compress(one, 1) for one in _small_nifti()]


def _small_nifti_2() -> list[bytes]:
    import nibabel

    found = []
    for order, shape in (("<", (3, 2, 2)), (">", (2, 2, 2, 2))):
        header = nibabel.Nifti2Header(endianness=order)
        image = nibabel.Nifti2Image(np.zeros(shape, np.int16), np.eye(4), header)
        found.append(image.to_bytes())
    return found


def _small_meta() -> list[bytes]:
    """Return files whose voxels are read here."""
    lines = ["NDims = 3", "DimSize = 3 2 2", "ElementSpacing = 1 1 1", "ElementType = MET_SHORT"]
    last = "ElementDataFile = LOCAL\n"
    text = "\n".join([*lines, f"Comment = {'x' * 300}", last]).encode() + bytes(24)
    end = "\n".join([*lines, "HeaderSize = -1", last]).encode() + bytes(24)
    packed = "\n".join([*lines, "CompressedData = True", f"Name = {'x' * 300}", last]).encode()
    return [text, end, packed + zlib.compress(bytes(24))]


def _directories() -> list[bytes]:
    with tempfile.TemporaryDirectory() as name:
        disc = write_disc(Path(name, "CD"), {"1.2.3": {"array": ct_array()[:3]}}, ("11.1",))
        return [(disc / "DICOMDIR").read_bytes()]


def _small_zips() -> list[bytes]:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", method) as packed:
            packed.writestr("a/ct.nii", _small_nifti()[0])
            packed.writestr("notes.txt", b"portal venous")
        found.append(made.getvalue())
    return found


def _onnx_seeds() -> list[bytes]:
    return [identity_model((8, 12, 10)).SerializeToString(), _flat_start()]


def _flat_start() -> bytes:
    """Return a graph with a node that has dilations and pads, as a flat network has."""
    from onnx import TensorProto, helper

    node = helper.make_node("Conv", ["x", "w"], ["y"], dilations=[48, 1], pads=[48, 1, 48, 1])
    w = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.5])
    return bytes(helper.make_model(helper.make_graph([node], "g", [], [], [w])).SerializeToString())


def _json_seeds() -> list[bytes]:
    return [(default_model() / "model.json").read_bytes()]


def _zip_seeds() -> list[bytes]:
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = write_model(Path(name) / "model", identity_model((8, 12, 10)))
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", method) as archive:
                for path in folder.iterdir():
                    archive.write(path, f"tiny/{path.name}")
            found.append(packed.getvalue())
    return found


def _manifest_seeds() -> list[bytes]:
    lines = "path,case,series\na/ct.nii.gz,,\n../b.nrrd,Müller,\ndicom,c,1.2.3\n"
    return [lines.encode(), b'\xef\xbb\xbfpath\n"a, b/c.nii"\n', b"path\n/etc/passwd\n"]


def _journal_seeds() -> list[bytes]:
    row = Row("a", "a.nii", "1.2", "ok")
    line = json.dumps(row.to_dict()).encode()
    return [line + b"\n" + line + b"\n", line + b"\n" + line[:20], b""]


def _report_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "ct_organs.nii.gz")
        path.write_bytes(b"labels")
        files = {path.name: digest(path)}
    organ = {"key": "liver", "flags": ["touches_border"], "volume_ml": 1500.5}
    run = {"seconds": {"read": 0.4}, "files": files, "input": "ct.nii.gz"}
    return [json.dumps({"flags": [], "organs": [organ], "run": run}).encode()]


_HEADERS = (FlareSegError,)
_FOLLOWED = (ValueError, struct.error)
"""What following elements may raise: who does it knows."""
TARGETS: dict[str, Target] = {
    "nifti": Target(_small_nifti, image("ct.nii"), _HEADERS),
    "nifti-gz": Target(_packed_nifti, image("ct.nii.gz"), _HEADERS),
    "nrrd": Target(_of_itk("nrrd", "nrrdgz"), image("ct.nrrd"), _HEADERS),
    "mha": Target(_of_itk("mha", "mhaz"), image("ct.mha"), _HEADERS),
    "dicom": Target(_of_itk("dicom", "dicom-implicit", "dicom-big", "dicom-rle"), dicom, ()),
    "nifti-2": Target(_small_nifti_2, image("ct.nii"), _HEADERS),
    "mhd": Target(_small_meta, image("ct.mha"), _HEADERS),
    "dicomdir": Target(_directories, directory, _FOLLOWED),
    "enhanced": Target(_of_itk("dicom-enhanced", "dicom-enhanced-open"), enhanced, _FOLLOWED),
    "zip": Target(_small_zips, archive, _HEADERS),
    "flat-rows": Target(_onnx_seeds, rows, (IndexError, ValueError)),
    "onnx": Target(_onnx_seeds, onnx, (ModelError,)),
    "model-json": Target(_json_seeds, model_json, (ModelError,)),
    "model-zip": Target(_zip_seeds, model_zip, ()),
    "manifest": Target(_manifest_seeds, manifest, (InputError,)),
    "journal": Target(_journal_seeds, journal, ()),
    "report": Target(_report_seeds, report, ()),
}
"""By name; the parsers of what strangers send and of what a killed run left."""


def scratch() -> Path | None:
    """Return a folder in memory, None for the usual one."""
    shared = Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) else None
