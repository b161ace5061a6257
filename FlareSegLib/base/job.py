"""What to read and what to write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

ENDINGS = (".nii.gz", ".seg.nrrd", ".rtstruct.dcm")
"""Extensions of two parts."""
EXTENSIONS = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha")
"""Extensions of labelmaps that can be written whatever the input is."""

EXTRAS = {
    "split": ("_masks",),
    "stl": ("_stl",),
    "obj": ("_obj",),
    "ply": ("_ply",),
    "glb": (".glb",),
    "names": (".tsv", ".label.txt"),
    "sr": (".sr.dcm",),
    "sc": (".sc.dcm",),
    "pdf": (".pdf",),
}
"""What may be written beside a labelmap, and what its names end in; see exports/run.py."""
FOLDERS = ("split", "stl", "obj", "ply")
"""Those of EXTRAS that are folders with a file for each organ."""


def beside(labelmap: Path, suffix: str) -> Path:
    """Return the path of a file that goes with a labelmap: organs.csv for organs.nii.gz."""
    name = labelmap.name
    for ending in (*ENDINGS, labelmap.suffix):
        if ending and name.lower().endswith(ending.lower()):
            return labelmap.with_name(name[: -len(ending)] + suffix)
    return labelmap.with_name(name + suffix)


@dataclass(frozen=True)
class Job:
    """One CT and the files that come of it."""

    source: Path
    """A CT: an image file, or a folder with a DICOM series, or a zip file of either."""
    labelmap: Path
    """Where the labelmap goes; its extension sets the format."""
    report: Path | None = None
    """Where the JSON report goes; None: beside the labelmap."""
    csv: Path | None = None
    """Where the table goes, if it is wanted."""
    preview: Path | None = None
    """Where the picture goes, if it is wanted."""
    thumbnail: Path | None = None
    """Where a very small picture goes, if it is wanted."""
    tiles: Path | None = None
    """Where a strip of very small pictures of the organs goes, if it is wanted."""
    uncertainty: Path | None = None
    """Where the uncertainty of each voxel goes (uint8, percent), if it is wanted: an image file."""
    series: str | None = None
    """UID of the DICOM series, if the folder holds several; "UID#2" and "#2" are acquisition 2,
    or frame 2 of a 4-D file."""
    hu_offset: float = 0.0
    """Added to the voxels as read, for files that hold HU + 1024."""
    seg: Literal["labelmap", "binary"] = "labelmap"
    """Kind of a DICOM SEG; binary is understood by more programs, and is larger."""
    title: str | None = None
    """What pictures are called; None: as the source, without the patient's name."""

    extras: tuple[str, ...] = ()
    """Keys of EXTRAS: what else is written beside the labelmap."""
    archive: Path | None = None
    """The zip file that source was unpacked from, if it was."""

    def unpacked(self, source: Path) -> Job:
        """Return the job with what its zip file holds as source; source itself changes nothing."""
        return self if source == self.source else replace(self, source=source, archive=self.source)

    @property
    def report_path(self) -> Path:
        """Where the JSON report goes: organs.nii.gz has organs.report.json."""
        return self.report or beside(self.labelmap, ".report.json")

    @property
    def targets(self) -> tuple[Path, ...]:
        """All files to write."""
        wanted = (self.labelmap, self.report_path, self.csv, self.preview, self.uncertainty)
        small = (self.thumbnail, self.tiles)
        return (*(path for path in (*wanted, *small) if path), *self._extra_files)

    @property
    def extra_paths(self) -> dict[str, tuple[Path, ...]]:
        """Where each of the extras goes, in the order of EXTRAS; a folder if it has no suffix."""
        is_dicom = self.labelmap.suffix.lower() == ".dcm"
        found = {}
        for kind, suffixes in EXTRAS.items():
            if kind in self.extras:
                more = ".dcm" if kind == "pdf" and is_dicom else ""
                found[kind] = tuple(beside(self.labelmap, one + more) for one in suffixes)
        return found

    @property
    def extra_folders(self) -> tuple[Path, ...]:
        """Folders among the extras: what is in them is not in targets."""
        known = [path for kind in FOLDERS for path in self.extra_paths.get(kind, ())]
        return tuple(known)

    @property
    def _extra_files(self) -> tuple[Path, ...]:
        return tuple(
            path
            for kind, paths in self.extra_paths.items()
            if kind not in FOLDERS
            for path in paths
        )
