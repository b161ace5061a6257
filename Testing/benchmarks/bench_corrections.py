"""Organs that FlareSeg found, corrected by clicks: what the network of prompts makes of them.

    python -m Testing.benchmarks.bench_corrections ../shared/data/val RESULTS [--sides 32 48]

RESULTS holds <case>.nii.gz of `flareseg segment`. It does not ship: see training/LOG.md. A click
looks at cubes about itself, with the organ as the former mask; what all looks change alike,
connected to the click, within half the smallest cube, only added or only removed, is changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from FlareSegLib.base.geometry import Grid, Volume
from FlareSegLib.images.reading import read_labelmap
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting.channels import box_channel, channels, click_channel
from FlareSegLib.prompting.crop import Frame, back, read
from FlareSegLib.prompting.prompt_network import CropNetwork, load_prompt_network
from FlareSegLib.prompting.prompts import Extent
from Testing.benchmarks.prompt_things import Mask, Thing, dsc, error_at, organs

CLICKS, OBEYED_MM, MARGIN_MM = 5, 1.5, 45.0
LOW = 0.8
"""Organs with a lower DSC are those to be corrected."""

Click = tuple[np.ndarray, bool]
"""Voxel, and whether it lies inside."""


def corrected(
    volume: Volume, network: CropNetwork, mask: Mask, clicks: Sequence[Click], sides: list[float]
) -> Mask:
    """Return an organ after the last click; the others were done before."""
    at, inside = clicks[-1]
    agreed = np.ones(mask.shape, bool)
    for side in sides:
        agreed &= _seen(volume, network, mask, clicks, side) != mask
    z, y, x = (
        (np.arange(n) - k) * s
        for n, k, s in zip(mask.shape, at, volume.grid.spacing_mm, strict=True)
    )
    apart = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
    near = apart <= max(OBEYED_MM, min(volume.grid.spacing_mm) / 2) ** 2
    change = (agreed & (apart <= (min(sides) / 2) ** 2) | near) & (mask != inside)
    pieces, _ = ndimage.label(change)
    return np.where(pieces == pieces[tuple(at)], inside, mask) if change[tuple(at)] else mask


def _seen(
    volume: Volume, network: CropNetwork, mask: Mask, clicks: Sequence[Click], side: float
) -> Mask:
    """Return what the network sees in a cube about the last click; the mask elsewhere."""
    grid, spacing = volume.grid, np.array(volume.grid.spacing_mm)
    extent = Extent.about(clicks[-1][0] * spacing, np.full(3, side))
    frame = Frame.about(extent, network.config.ratio, network.config.grid)
    former = (read(mask, grid, frame) > 0.5).astype(np.float32)
    plus, minus = (
        click_channel((at * spacing for at, inside in clicks if inside is kind), frame)
        for kind in (True, False)
    )
    hu = read(volume.array, grid, frame)
    logits = network(channels(hu, box_channel(extent, frame), former, plus, minus))
    seen, box = mask.copy(), frame.voxels(grid)
    seen[box.slices] = back(logits, frame, grid, box) > 0
    return seen


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


def measured(data: Path, results: Path, network: CropNetwork, sides) -> Iterator[list[float]]:
    """Yield the DSC of each organ, as found and after each click."""
    for thing in organs(data):
        name, value = thing.name.rsplit(" ", 1)
        found = labels_of(results / f"{name}.nii.gz")
        organ, mask = cut(thing, found == int(value))
        scores, clicks = [dsc(mask, organ.mask)], []
        for _ in range(CLICKS):
            at = error_at(mask, organ.mask, organ.volume.grid.spacing_mm)
            if at is not None:
                clicks.append((at, bool(organ.mask[tuple(at)])))
                mask = corrected(organ.volume, network, mask, clicks, sides)
            scores.append(dsc(mask, organ.mask))
        print(thing.name, np.round(scores, 3), flush=True)
        yield scores


def main() -> None:
    """Measure and print means, and the worst of all clicks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sides", type=float, nargs="+", default=[32.0, 48.0], help="mm")
    parser.add_argument("--model", type=Path, help="of training.prompt with faults = true")
    said = parser.parse_args()
    network = load_prompt_network(said.model, threads=1)
    scores = np.array(list(measured(said.data, said.results, network, said.sides)))
    steps, low = np.diff(scores, axis=1), scores[:, 0] < LOW
    print(f"all {len(scores)}: {scores.mean(0).round(3)}")
    print(f"under {LOW}, {low.sum()}: {scores[low].mean(0).round(3)}")
    print(f"worst click {steps.min():.3f}; {(steps < -0.01).sum()} of {steps.size} cost over 0.01")


if __name__ == "__main__":
    main()
