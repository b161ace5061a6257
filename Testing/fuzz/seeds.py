"""Small valid CTs in every format that FlareSeg reads: what the fuzzers start from.

A seed is a folder with its files, and the name of what is opened in it.
"""

from __future__ import annotations

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


SEEDS: dict[str, Callable[[Path], Path]] = {
    **{key: _itk(name, packed=packed) for key, (name, packed) in ITK.items()},
    "nii-float": _nifti(np.float32),
    "dicom": _dicom,
    "dicom-implicit": _transfer(ImplicitVRLittleEndian),
    "dicom-big": _transfer(ExplicitVRBigEndian),
    "dicom-rle": _transfer(RLELossless),
    "dicom-j2k": _coded("JPEG2000"),
    "dicom-jpeg": _coded("JPEG"),
}
"""What writes a seed into a folder that does not exist yet, and returns what to open."""
