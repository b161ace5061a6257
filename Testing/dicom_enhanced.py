"""Enhanced CTs in DICOM files, made from a series of slices: no patient."""

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

ENHANCED = "1.2.840.10008.5.1.4.1.1.2.1"
LEGACY = "1.2.840.10008.5.1.4.1.1.2.2"
_FROM_SLICE = (
    "PatientName", "PatientID", "Modality", "SeriesInstanceUID", "StudyInstanceUID",
    "FrameOfReferenceUID", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
GROUPS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope", "RescaleType"),
}
SHARED = ("PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence")


def write_enhanced(
    folder, path, *, shared=SHARED, contents=None, sop_class=ENHANCED,
    syntax=ExplicitVRLittleEndian, undefined=False,
):  # fmt: skip
    """Write the slices in a folder, in the order of their names, as frames of one file.

    Args:
        folder: As write_series() leaves it.
        path: Where to write.
        shared: Functional groups that are said once, after the first slice.
        contents: Tags of each frame's FrameContentSequence.
        sop_class: Of the file.
        syntax: Transfer syntax; of those that are not coded.
        undefined: Sequences and items are written without a length.
    """
    path.parent.mkdir(exist_ok=True)
    slices = [pydicom.dcmread(one) for one in sorted(folder.iterdir())]
    ds = FileDataset(str(path), {}, file_meta=FileMetaDataset(), preamble=bytes(128))
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for name in _FROM_SLICE:
        setattr(ds, name, slices[0].get(name))
    ds.NumberOfFrames = len(slices)
    ds.SharedFunctionalGroupsSequence = [_item(_groups(slices[0], shared))]
    own = [name for name in GROUPS if name not in shared]
    frames = [_item(_groups(one, own)) for one in slices]
    for frame, content in zip(frames, contents or [{}] * len(frames), strict=True):
        frame.FrameContentSequence = [_item({"FrameComments": "made up", **content})]
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.PixelData = b"".join(one.PixelData for one in slices)
    if undefined:
        _open_ended(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def _groups(one, names):
    return {
        name: [_item({tag: one.get(tag) for tag in GROUPS[name] if tag in one})] for name in names
    }


def _item(tags):
    item = Dataset()
    for name, value in tags.items():
        setattr(item, name, value)
    return item


def _open_ended(ds):
    for element in ds:
        if isinstance(element.value, Sequence):
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                _open_ended(item)


def edit(path, change):
    """Change a file: change(data set)."""
    ds = pydicom.dcmread(path)
    change(ds)
    ds.save_as(path)
    return path
