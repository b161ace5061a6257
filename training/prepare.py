"""Stage 1: CTs to the student's grid, with the reading, orienting and resampling of inference."""

from __future__ import annotations

import numpy as np

from FlareSegLib.resample import to_spacing
from training.cases import THREADS, case_ids, patient, save_ct
from training.config import Config, run_stage


def main(config: Config, resume: bool = False) -> None:
    """Write ct/<case>.npz for every case: int16 HU, (z, y, x), even shape."""
    for case in case_ids(config.data.cases):
        volume = to_spacing(
            patient(config.data.cases / case / "ct.nii.gz"), config.data.spacing_mm, THREADS
        )
        missing = [(0, n % 2) for n in volume.array.shape]
        hu = np.rint(np.pad(volume.array, missing, mode="edge")).astype(np.int16)
        save_ct(config.work, case, hu)
        print(case, hu.shape, flush=True)


if __name__ == "__main__":
    run_stage(main)
