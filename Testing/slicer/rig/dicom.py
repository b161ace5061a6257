"""Slicer's DICOM database.

Stands for ctkDICOMDatabase of CTK 868d56c (Libs/DICOM/Core), as slicer.dicomDatabase.
"""


class Database:
    """Knows the file of each instance; "" for one that it does not have."""

    isOpen = True

    def __init__(self, files):
        self.files = files

    def fileForInstance(self, uid):
        return str(self.files.get(uid, ""))
