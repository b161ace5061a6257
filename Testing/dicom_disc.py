"""Discs as clinics hand them out, made up: a media directory, and objects that refer to a CT."""

import shutil
from contextlib import contextmanager

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from Testing.dicom_series import ct_array, write_series

STORAGE = "1.2.840.10008.5.1.4.1.1."
STUDY = {"StudyID": "1", "StudyDate": "20200101", "StudyTime": "120000", "InstanceNumber": 1}
"""What a directory needs to know."""

OBJECT = {
    "InstanceNumber": 1, "ContentDate": "20200101", "ContentTime": "120000",
    "ContentLabel": "MADE_UP", "PresentationCreationDate": "20200101",
    "PresentationCreationTime": "120000", "CompletionFlag": "COMPLETE",
    "VerificationFlag": "UNVERIFIED", "StructureSetLabel": "made up",
}  # fmt: skip
"""What a directory needs to know of an object, whatever it is."""


@contextmanager
def file_set(*directory):
    """A set of files as pydicom knows it, without the folder that it leaves behind."""
    disc = FileSet(*directory)
    yield disc
    disc._stage["t"].cleanup()


def write_object(
    path, sop_class, series, *, syntax=ExplicitVRLittleEndian, undefined=False, **tags
):
    """Write an object that refers to a CT series, before it says its own series."""
    ds, inner, image, code = Dataset(), Dataset(), Dataset(), Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = f"{STORAGE}2", generate_uid()
    inner.ReferencedImageSequence, inner.SeriesInstanceUID = [image], series
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99FLARESEG", "Made up"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid()
    ds.Modality, ds.ReferencedSeriesSequence, ds.ConceptNameCodeSequence = "PR", [inner], [code]
    ds.SeriesInstanceUID = generate_uid()
    for key, value in {**OBJECT, **tags}.items():
        setattr(ds, key, value)
    if undefined:
        ds["ReferencedSeriesSequence"].is_undefined_length = True
        inner.is_undefined_length_sequence_item = True
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    return path


def write_disc(folder, series, objects=()):
    """Write series, by UID with their tags, and a directory that names them, as pydicom does.

    Each series has objects, ends of their classes behind STORAGE, that refer to it.
    """
    made = folder.parent / "made"
    with file_set() as disc:
        for i, (uid, tags) in enumerate(series.items()):
            study = {"StudyInstanceUID": generate_uid(), "PatientID": str(4711 + i), **STUDY}
            known = {"array": ct_array(i), "SeriesInstanceUID": uid, "SeriesNumber": i + 1}
            for path in write_series(made / uid, **{**study, **known, **tags}).iterdir():
                disc.add(path)
            for j, kind in enumerate(objects):
                more = {**study, "PatientName": "Doe^Jane", "SeriesNumber": 100 + j}
                disc.add(write_object(made / uid / kind, STORAGE + kind, uid, **more))
        disc.write(folder)
    shutil.rmtree(made)
    return folder
