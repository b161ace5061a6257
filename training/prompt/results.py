"""What FlareSeg finds in CTs that were made worse: organs with errors that it really makes.

python -m training.prompt.results CONFIG.toml [--rounds 5] [--model DIR]

Of each CT of the packs and each round, <case>_<round>.npz in the folder `results` of the config:
hu (int16) as it was made worse, and found (uint8). They are what corrections are learned from.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from FlareSegLib import segment
from training.config import ConfigError
from training.prompt.cases import SCALE, SPACING, Case, load_cases
from training.prompt.scenes import between
from training.prompt.settings import Settings, read_settings

ROUNDS = 5
SPEEDS = ("fast", "balanced")
MOST_SLICES, MOST_BLUR = 5, 1.2
"""Slices that one may be the mean of; voxels of a Gaussian in a slice, under .4 none."""
GAIN, SHIFT_HU, NOISE_HU = (0.35, 1.1), 30.0, (8.0, 60.0)
"""Of soft tissue about 50 HU: contrast, as a share of what it was; shift; SD of the noise."""
GRAIN = 0.7
"""Of the noise: Gaussian in a slice, voxels."""

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Result:
    """A CT that was made worse, and what was found in it; both (z, y, x)."""

    case: Case
    hu: NDArray[np.int16]
    found: NDArray[np.uint8]


def load_results(folder: Path, cases: list[Case]) -> Iterator[Result]:
    """Yield the results in a folder, those of some cases.

    Raises:
        ConfigError: There is none.
    """
    known, count = {case.name: case for case in cases}, 0
    for path in sorted(folder.glob("*.npz")):
        if case := known.get(path.stem.rsplit("_", 1)[0]):
            with np.load(path) as file:
                yield Result(case, file["hu"], file["found"])
            count += 1
    if not count:
        raise ConfigError(f"{folder} has no results: python -m training.prompt.results CONFIG")


def worsened(hu: Image, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return a CT (z, y, x) with thicker slices, blur, another contrast and noise."""
    hu = ndimage.uniform_filter1d(hu, int(rng.integers(1, MOST_SLICES + 1)), axis=0)
    blur = rng.uniform(0, MOST_BLUR)
    if blur > 0.4:
        hu = ndimage.gaussian_filter(hu, (0, blur, blur))
    soft = (hu - 50) * rng.uniform(*GAIN) + 50 + rng.uniform(-SHIFT_HU, SHIFT_HU)
    share = np.clip((hu + 200) / 50, 0, 1) * np.clip((350 - hu) / 50, 0, 1)
    noise = rng.standard_normal(hu.shape, np.float32)
    noise = ndimage.gaussian_filter(noise, (0, GRAIN, GRAIN))
    noise *= between(*NOISE_HU, rng) / noise.std()
    return (hu * (1 - share) + soft * share + noise).clip(-1024, 3000).astype(np.int16)


def write_results(case: Case, number: int, folder: Path, model: Path | None = None) -> None:
    """Make a CT worse, find its organs, and write both; nothing is done twice."""
    path = folder / f"{case.name}_{number}.npz"
    if path.exists():
        return
    rng = np.random.default_rng([number, *case.name.encode()])
    hu = worsened(case.hu[0].float().cpu().numpy() * SCALE, rng)
    spacing = (SPACING[0], SPACING[1], SPACING[2])
    found = segment(hu, spacing=spacing, speed=str(rng.choice(SPEEDS)), model=model)
    part = path.with_suffix(".part.npz")
    np.savez(part, hu=hu, found=found.labelmap.array.astype(np.uint8))
    part.replace(path)


def main() -> None:
    """Write the results of all cases of a config."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--model", type=Path, help="folder; default: the model that ships")
    said = parser.parse_args()
    settings = read_settings(said.config)
    if not isinstance(settings, Settings) or settings.results is None:
        raise ConfigError(f"{said.config} names no folder for results: give results")
    settings.results.mkdir(parents=True, exist_ok=True)
    cases = load_cases(settings.packs, settings.labels, torch.device("cpu"))
    for number in range(said.rounds):
        for case in cases:
            write_results(case, number, settings.results, said.model)
            print(case.name, number, flush=True)


if __name__ == "__main__":
    main()
