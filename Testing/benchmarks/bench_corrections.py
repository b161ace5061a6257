"""Organs that FlareSeg found, corrected by clicks of a simulated user.

    python -m Testing.benchmarks.bench_corrections ../shared/data/val RESULTS

RESULTS holds <case>.nii.gz of `flareseg segment`. Each click goes into the middle of the largest
error; the organ alone is looked at, so that others do not keep voxels that are its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.images.reading import read_labelmap
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting.prompt_network import CropNetwork, load_prompt_network
from FlareSegLib.prompting.session import Session
from Testing.benchmarks.prompt_things import Mask, Thing, dsc, full, next_click, organs

CLICKS, MARGIN_MM = 5, 45.0
LOW = 0.8
"""Organs with a lower DSC are those to be corrected."""


def corrected(thing: Thing, found: Mask, network: CropNetwork) -> Iterator[Mask]:
    """Yield an organ as it was found, and after each click."""
    session = Session(thing.volume, network)
    session.start(Labelmap(found.astype(np.uint8), thing.volume.grid), 1)
    yield found
    for _ in range(CLICKS):
        click = next_click(session, thing, found)
        if click is not None:
            found = full(session.click(click[0], inside=click[1]), thing.mask.shape)
        yield found


def cut(thing: Thing, found: Mask) -> tuple[Thing, Mask]:
    """Return an organ and what was found of it, cut to their surroundings."""
    both = ndimage.find_objects((thing.mask | found).astype(np.uint8))[0]
    reach = [int(MARGIN_MM / s) for s in thing.volume.grid.spacing_mm]
    part = tuple(slice(max(a.start - n, 0), a.stop + n) for a, n in zip(both, reach, strict=True))
    array = thing.volume.array[part]
    grid: Grid = replace(thing.volume.grid, shape=array.shape)
    return replace(thing, volume=Volume(array, grid), mask=thing.mask[part]), found[part]


@lru_cache(maxsize=1)
def labels_of(path: Path) -> np.ndarray:
    """Return what FlareSeg found in a CT, canonical; read once for all its organs."""
    return to_canonical(read_labelmap(path)).array


def measured(data: Path, results: Path, network: CropNetwork) -> Iterator[list[float]]:
    """Yield the DSC of each organ, as found and after each click."""
    for thing in organs(data):
        name, value = thing.name.rsplit(" ", 1)
        found = labels_of(results / f"{name}.nii.gz") == int(value)
        if not found.any():
            continue  # nothing to begin with: such an organ is for a box
        organ, mask = cut(thing, found)
        scores = [dsc(mask, organ.mask) for mask in corrected(organ, mask, network)]
        print(thing.name, np.round(scores, 3), flush=True)
        yield scores


def main() -> None:
    """Measure and print means, and the worst of all clicks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--model", type=Path, help="folder; default: the model that ships")
    said = parser.parse_args()
    network = load_prompt_network(said.model, threads=1)
    scores = np.array(list(measured(said.data, said.results, network)))
    steps, low = np.diff(scores, axis=1), scores[:, 0] < LOW
    print(f"all {len(scores)}: {scores.mean(0).round(3)}")
    print(f"under {LOW}, {low.sum()}: {scores[low].mean(0).round(3)}")
    print(f"worst click {steps.min():.3f}; {(steps < -0.01).sum()} of {steps.size} cost over 0.01")


if __name__ == "__main__":
    main()
