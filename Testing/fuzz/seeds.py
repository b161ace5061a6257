"""Small valid CTs in every format that FlareSeg reads: what the fuzzers start from.

A seed is a folder with its files, and the name of what is opened in it.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from Testing.dicom_disc import write_disc
from Testing.dicom_enhanced import write_enhanced
from Testing.dicom_series import ct_array, write_series

PIXELS = ("PixelData", "BitsStored", "HighBit", "PixelRepresentation", "RescaleIntercept")

ITK = {
    "nii": ("ct.nii", False),
    "niigz": ("ct.nii.gz", True),
    "nrrd": ("ct.nrrd", False),
    "nrrdgz": ("ct.nrrd", True),
    "nhdr": ("ct.nhdr", False),
    "mha": ("ct.mha", False),
    "mhaz": ("ct.mha", True),
    "mhd": ("ct.mhd", False),
    "mhdz": ("ct.mhd", True),
}
"""By key: file name, and whether it is compressed."""


def _itk(name: str, *, packed: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        folder.mkdir(parents=True)
        image = sitk.GetImageFromArray(ct_array())
        image.SetSpacing((0.5, 0.75, 2.5))
        image.SetMetaData("comment", "a seed")
        sitk.WriteImage(image, str(folder / name), useCompression=packed)
        return folder / name

    return write


def _dicom(folder: Path) -> Path:
    return write_series(folder / "series").parent / "series"


def _nifti(kind: type) -> Callable[[Path], Path]:
    """Return a writer of a packed NIfTI of another type, whose voxels are read here."""

    def write(folder: Path) -> Path:
        folder.mkdir(parents=True)
        image = sitk.GetImageFromArray(ct_array().astype(kind))
        image.SetSpacing((0.5, 0.75, 2.5))
        sitk.WriteImage(image, str(folder / "ct.nii.gz"))
        return folder / "ct.nii.gz"

    return write


def _transfer(uid: str) -> Callable[[Path], Path]:
    """Return a writer of the series in another transfer syntax that pydicom knows."""

    def write(folder: Path) -> Path:
        series = _dicom(folder)
        for path in series.iterdir():
            one = pydicom.dcmread(path)
            if uid == RLELossless:
                one.compress(uid)
                one.save_as(path)
            else:
                one.file_meta.TransferSyntaxUID = uid
                if uid == ExplicitVRBigEndian:
                    one.PixelData = np.frombuffer(one.PixelData, "<u2").astype(">u2").tobytes()
                pydicom.dcmwrite(
                    path,
                    one,
                    implicit_vr=uid == ImplicitVRLittleEndian,
                    little_endian=uid != ExplicitVRBigEndian,
                    force_encoding=True,
                )
        return series

    return write


def _coded(compressor: str) -> Callable[[Path], Path]:
    """Return a writer of the series with the pixels in a code that GDCM knows."""

    def write(folder: Path) -> Path:
        series = _dicom(folder)
        for path in series.iterdir():
            one, coded = pydicom.dcmread(path), folder / "coded.dcm"
            image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkInt16)
            sitk.WriteImage(
                image, str(coded), useCompression=True, imageIO="GDCMImageIO", compressor=compressor
            )
            other = pydicom.dcmread(coded)
            coded.unlink()
            for name in PIXELS:
                setattr(one, name, getattr(other, name))
            one.file_meta.TransferSyntaxUID = other.file_meta.TransferSyntaxUID
            one["PixelData"].is_undefined_length = True
            one.save_as(path)
        return series

    return write


def _nifti_2(name: str, order: str, kind: type) -> Callable[[Path], Path]:
    """Return a writer of a NIfTI-2 file with slope and intercept."""

    def write(folder: Path) -> Path:
        import nibabel

        folder.mkdir(parents=True)
        header = nibabel.Nifti2Header(endianness=order)
        header.set_data_dtype(np.dtype(kind).newbyteorder(order))
        image = nibabel.Nifti2Image(ct_array().T.astype(kind), np.diag([0.5, 0.75, 2.5, 1]), header)
        image.header.set_qform(image.affine, code=1)
        nibabel.save(image, folder / name)
        return folder / name

    return write


def _odd_meta(*, packed: bool) -> Callable[[Path], Path]:
    """Return a writer of a MetaImage with a long text, or with voxels at the end of its data."""

    def write(folder: Path) -> Path:
        folder.mkdir(parents=True)
        voxels = ct_array().astype("<i2").tobytes()
        lines = ["NDims = 3", "DimSize = 24 20 18", "ElementSpacing = 0.5 0.75 2.5"]
        lines += ["ElementType = MET_SHORT"]
        lines += ["CompressedData = True", f"Comment = {'x' * 300}"] if packed else []
        lines += [] if packed else ["HeaderSize = -1"]
        content = "\n".join([*lines, "ElementDataFile = ct.raw", ""])
        (folder / "ct.mhd").write_text(content)
        (folder / "ct.raw").write_bytes(zlib.compress(voxels) if packed else b"head" + voxels)
        return folder / "ct.mhd"

    return write


def _enhanced(*, undefined: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        made = write_series(folder / "made")
        path = write_enhanced(made, folder / "series" / "ct.dcm", undefined=undefined)
        shutil.rmtree(made)
        return path.parent

    return write


def _disc(folder: Path) -> Path:
    """Write slices and their directory into one folder: files are known by their instances."""
    series = folder / "series"
    series.mkdir(parents=True)
    disc = write_disc(folder / "CD", {"1.2.3": {}})
    for number, path in enumerate(sorted(path for path in disc.rglob("*") if path.is_file())):
        path.rename(series / ("DICOMDIR" if path.name == "DICOMDIR" else f"{number}.dcm"))
    shutil.rmtree(disc)
    return series


def _zipped(seed: Callable[[Path], Path], method: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        found = seed(folder / "made")
        files = [found] if found.is_file() else sorted(found.iterdir())
        (folder / "packed").mkdir()
        with zipfile.ZipFile(folder / "packed" / "ct.zip", "w", method) as made:
            for path in files:
                made.write(path, path.name)
        shutil.rmtree(folder / "made")
        return folder / "packed" / "ct.zip"

    return write


SEEDS: dict[str, Callable[[Path], Path]] = {
    **{key: _itk(name, packed=packed) for key, (name, packed) in ITK.items()},
    "nii-float": _nifti(np.float32),
    "dicom": _dicom,
    "dicom-implicit": _transfer(ImplicitVRLittleEndian),
    "dicom-big": _transfer(ExplicitVRBigEndian),
    "dicom-rle": _transfer(RLELossless),
    "dicom-j2k": _coded("JPEG2000"),
    "dicom-jpeg": _coded("JPEG"),
    "dicom-enhanced": _enhanced(undefined=False),
    "dicom-enhanced-open": _enhanced(undefined=True),
    "dicom-disc": _disc,
    "nii2": _nifti_2("ct.nii", "<", np.int16),
    "nii2-big": _nifti_2("ct.nii", ">", np.float32),
    "nii2gz": _nifti_2("ct.nii.gz", "<", np.int16),
    "mhd-end": _odd_meta(packed=False),
    "mhd-text": _odd_meta(packed=True),
    "zip-dicom": _zipped(_dicom, zipfile.ZIP_STORED),
    "zip-nii": _zipped(_itk("ct.nii", packed=False), zipfile.ZIP_DEFLATED),
}
"""What writes a seed into a folder that does not exist yet, and returns what to open."""
