"""The files that README and docs take for granted: a reader's own CTs, here phantoms."""

import json
from dataclasses import replace

import numpy as np

from FlareSegLib.images.writing import write_labelmap
from Testing.dicom_series import write_series
from Testing.phantoms import abdomen, save

SHAPE, SPACING_MM = (64, 60, 64), (5.0, 5.0, 5.0)
LESION_LPS_MM, LESION_RADIUS_MM, LESION_HU = (-35.0, 16.0, -86.0), 18.0, 180
"""In the middle of the box that README shows in RAS."""
CT_CENTRE_LPS_MM = (0.0, 0.0, -60.0)


def write_all(folder):
    """Write all of them into a folder."""
    volume, labels = abdomen(SHAPE, SPACING_MM, noise_hu=5.0)
    (folder / "demo").mkdir()
    save(volume, folder / "demo" / "sample_ct.nii.gz")
    write_ct_with_lesion(volume, labels, folder)
    for name in ("patient 1", "patient 2"):
        (folder / "cts" / name).mkdir(parents=True)
        save(volume, folder / "cts" / name / "ct.nii.gz")
    (folder / "cohort.csv").write_text("case,path\nfirst,cts/patient 1/ct.nii.gz\n", "utf-8")
    tags = {"PixelSpacing": [5, 5], "SliceThickness": 5, "PatientPosition": "HFS"}
    write_series(folder / "dicom", array=volume.array, step_mm=5.0, **tags)
    write_predictions(labels, folder)


def write_ct_with_lesion(volume, labels, folder):
    """Write ct.nii.gz, ct.nrrd, their organs.nii.gz and prompts for the lesion in them."""
    half = [(n - 1) / 2 * mm for n, mm in zip(SHAPE[::-1], SPACING_MM[::-1], strict=True)]
    origin = tuple(np.subtract(CT_CENTRE_LPS_MM, half).tolist())
    grid = replace(volume.grid, origin=origin)
    z, y, x = (np.arange(n) * mm for n, mm in zip(SHAPE, SPACING_MM, strict=True))
    apart = np.sqrt(
        (z[:, None, None] + origin[2] - LESION_LPS_MM[2]) ** 2
        + (y[:, None] + origin[1] - LESION_LPS_MM[1]) ** 2
        + (x + origin[0] - LESION_LPS_MM[0]) ** 2
    )
    array = np.where(apart < LESION_RADIUS_MM, LESION_HU, volume.array).astype(np.int16)
    for name in ("ct.nii.gz", "ct.nrrd"):
        save(replace(volume, array=array, grid=grid), folder / name)
    write_labelmap(replace(labels, grid=grid), folder / "organs.nii.gz")
    box = "12,58,-40,8,-110,-62"
    (folder / "list.csv").write_text(f'name,box\nlesion,"{box}"\n', "utf-8")
    ends = [{"position": [-10, 33, -80]}, {"position": [-44, 12, -80]}]
    line = {"type": "Line", "coordinateSystem": "LPS", "controlPoints": ends}
    (folder / "lesion.mrk.json").write_text(json.dumps({"markups": [line]}), "utf-8")


def write_predictions(labels, folder):
    """Write two predictions for two cases: one is the truth, one is moved by a voxel."""
    for name, step in (("truth", 0), ("predictions", 1), ("others", 0)):
        (folder / name).mkdir()
        moved = replace(labels, array=np.roll(labels.array, step, axis=2))
        for case in ("case_1", "case_2"):
            write_labelmap(moved, folder / name / f"{case}.nii.gz")
