"""What a batch does before its first case: it searches for CTs, and for their patients' names.

    python -m Testing.benchmarks.bench_headers [--images N] [--series N] [--slices N]

NIfTI files are links to one; each DICOM series has files and UIDs of its own. Prints the seconds of
CPU for a case, so that other jobs on the machine do not count, and those for 10,000 cases, which
are the same times 10,000. Files are in the system's cache: slow storage adds its own time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.uid import generate_uid

from FlareSegLib.batch.cases import find_cases, without_ids
from Testing.dicom_series import along_z, write_series

COHORT = 10_000


def write_images(folder: Path, count: int) -> None:
    """Write one small CT and links to it."""
    folder.mkdir()
    first = folder / "0.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((16, 16, 16), np.int16)), str(first))
    for i in range(1, count):
        (folder / f"{i}.nii.gz").hardlink_to(first)


def write_dicom(folder: Path, count: int, slices: int) -> None:
    """Write series of small slices, each with its own UIDs and patient."""
    write_series(folder / "0", along_z(range(slices)))
    originals = [pydicom.dcmread(path) for path in sorted((folder / "0").iterdir())]
    for i in range(1, count):
        (folder / str(i)).mkdir()
        uid = generate_uid()
        for j, one in enumerate(originals):
            one.SeriesInstanceUID, one.SOPInstanceUID = uid, generate_uid()
            one.PatientName, one.PatientID = f"Patient{i}^Anna", f"id{i:06d}"
            one.save_as(folder / str(i) / f"{j:04d}.dcm", enforce_file_format=True)


def seconds_of(work: Callable[[], object]) -> float:
    """Return the CPU seconds that a piece of work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("images", 2000), ("series", 60), ("slices", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name, "images"), options.images)
        write_dicom(Path(name, "series"), options.series, options.slices)
        print(f"| | search, ms a case | names, ms a case | minutes for {COHORT} |")
        print("|---|---|---|---|")
        for kind, said in (("images", "NIfTI"), ("series", f"DICOM, {options.slices} slices")):
            folder = Path(name, kind)
            cases = find_cases(folder)  # this also fills the system's cache
            assert len(cases) == getattr(options, kind)
            ms = [
                1000 * seconds_of(work) / len(cases)
                for work in (lambda f=folder: find_cases(f), lambda c=cases: without_ids(c))
            ]
            minutes = sum(ms) * COHORT / 60_000
            print(f"| {said} | {ms[0]:.2f} | {ms[1]:.2f} | {minutes:.2f} |")


if __name__ == "__main__":
    main()
