"""CT series in DICOM files, made up: no patient, any positions, any orientation."""

import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

N, ROWS, COLUMNS = 18, 20, 24
STEP_MM = 2.5
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
NAME = "Doe^Jane"
UIDS = ("SeriesInstance", "StudyInstance", "FrameOfReference")
"""The same in all slices of a series."""


def ct_array(seed=0):
    array = np.full((N, ROWS, COLUMNS), -1000.0)
    array[:, 3:17, 3:21] = -100
    array[:, 5:15, 5:19] = 50
    return (array + np.random.default_rng(seed).normal(0, 10, array.shape)).astype(np.int16)


def along_z(z_mm):
    return [(-80.0, -60.0, z) for z in z_mm]


def write_series(
    folder, positions=None, *, axes=AXIAL, array=None, step_mm=STEP_MM, prefix="", **tags
):
    """Write a CT series, one file for each position, in a shuffled order of names.

    Tags are set in every slice, or removed where they are None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    array = ct_array() if array is None else array
    n = len(array)
    if positions is None:
        normal = np.cross(axes[:3], axes[3:])
        positions = [np.array((-80.0, -60.0, 40.0)) + i * step_mm * normal for i in range(n)]
    names = np.random.default_rng(1).permutation(len(positions))
    uids = {f"{kind}UID": generate_uid() for kind in UIDS}
    tags = {**uids, "Modality": "CT", **tags}
    for i, position in enumerate(positions):
        write_slice(folder / f"im {prefix}{names[i]:03d}.dcm", array[i % n], position, axes, tags)
    return folder


def write_slice(path, pixels, position, axes, tags):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    ds.PatientName, ds.PatientID = NAME, "4711"
    ds.PixelSpacing, ds.SliceThickness = [0.75, 0.5], 3
    ds.ImagePositionPatient = [float(f"{v:.6g}") for v in position]
    ds.ImageOrientationPatient = list(axes)
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
    ds.PixelData = (pixels + 1024).clip(0).astype(np.uint16).tobytes()
    for key, value in tags.items():
        if value is None:
            delattr(ds, key)
        else:
            setattr(ds, key, value)
    ds.save_as(path, enforce_file_format=True)


def height_mm(path):
    """Return the world z of a slice."""
    return float(dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])
