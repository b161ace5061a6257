"""Prompts against simple methods, on masks of real CTs: one box, one slice, a line, clicks.

    python -m Testing.benchmarks.bench_prompt ../shared/data [--model DIR] [--draws 5] [--json OUT]

Loose boxes have each side 0 to 10 % further out, drawn anew each time; tight ones fit.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from FlareSegLib.base.geometry import Volume
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting.diameters import diameters
from FlareSegLib.prompting.prompt_network import CropNetwork, load_prompt_network
from FlareSegLib.prompting.prompts import in_world
from FlareSegLib.prompting.session import Found, Session
from Testing.benchmarks import prompt_methods

METHODS = {
    "box": prompt_methods.filled,
    "ellipsoid": prompt_methods.ellipsoid,
    "Otsu": prompt_methods.otsu,
    "walker": prompt_methods.walker,
}
UNSEEN = (2, 3, 5, 9, 13)
"""Organs that training was never shown: right kidney, spleen, aorta, gallbladder, left kidney."""
LEAST_VOXELS = 200
CLICKS = 3

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Thing:
    """A mask of one thing in a CT; both canonical."""

    group: str
    name: str
    volume: Volume
    mask: Mask


def things(data: Path) -> Iterator[Thing]:
    """Yield the open lesions, and the organs of the validation CTs, cut ones left out."""
    for folder in sorted((data / "lesions").glob("STS_*")):
        volume = to_canonical(read_volume(folder / "ct.nii.gz"))
        mask = to_canonical(read_labelmap(folder / "mask.nii.gz")).array > 0
        yield Thing("open lesions", folder.name, volume, mask)
    for folder in sorted((data / "val").glob("*")):
        volume = to_canonical(read_volume(folder / "ct.nii.gz"))
        labels = to_canonical(read_labelmap(folder / "label.nii.gz")).array
        for value in range(1, 14):
            mask = labels == value
            if mask.sum() >= LEAST_VOXELS and not (folder.name == "ts_example" and value == 10):
                group = "unseen organs" if value in UNSEEN else "trained organs"
                yield Thing(group, f"{folder.name} {value}", volume, mask)


def dsc(a: Mask, b: Mask) -> float:
    """Return the overlap of two masks."""
    return float(2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1))


def bounds(mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first and last edges of a mask, in voxels from the centre of the first."""
    places = [np.flatnonzero(mask.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    return (np.array([p[0] for p in places]) - 0.5, np.array([p[-1] for p in places]) + 0.5)


def loosened(low, high, rng: np.random.Generator | None):
    """Return a box with each side 0 to 10 % further out; as it is without a generator."""
    if rng is None:
        return low, high
    size = high - low
    return low - rng.uniform(0, 0.1, 3) * size, high + rng.uniform(0, 0.1, 3) * size


def full(found: Found, shape: tuple[int, ...]) -> Mask:
    """Return a mask on the whole grid."""
    mask = np.zeros(shape, bool)
    mask[found.box.slices] = found.mask
    return mask


def simple(thing: Thing, low, high, method) -> Mask:
    """Return what a simple method makes of a box."""
    mask = np.zeros(thing.mask.shape, bool)
    start = np.maximum(np.ceil(low), 0).astype(int)
    stop = np.minimum(np.floor(high) + 1, thing.mask.shape).astype(int)
    box = tuple(map(slice, start, stop))
    mask[box] = method(thing.volume.array[box].astype(np.float32))
    return mask


def next_click(session: Session, thing: Thing, mask: Mask):
    """Return where a user would click, the middle of the largest error, and on which side."""
    wrong = mask != thing.mask
    near = (
        [
            slice(max(a.start - 1, 0), a.stop + 1)
            for a in ndimage.find_objects(wrong.astype(np.uint8))[0]
        ]
        if wrong.any()
        else None
    )
    if near is None:
        return None
    part = wrong[tuple(near)]
    labels, _ = ndimage.label(part)
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    depth = ndimage.distance_transform_edt(np.pad(largest, 1), thing.volume.grid.spacing_mm)
    depth = depth[1:-1, 1:-1, 1:-1]
    at = np.array(np.unravel_index(depth.argmax(), depth.shape)) + [s.start for s in near]
    place = in_world(at * np.array(thing.volume.grid.spacing_mm), session.grid)
    return place, bool(thing.mask[tuple(at)])


def by_box(
    thing: Thing, network: CropNetwork, low, high, clicks: int = 0
) -> tuple[list[float], list[float]]:
    """Return the DSC after the box and after each click, and the seconds of each."""
    session = Session(thing.volume, network)
    spacing = np.array(thing.volume.grid.spacing_mm)
    corners = in_world(low * spacing, session.grid), in_world(high * spacing, session.grid)
    scores, seconds = [], []
    began = time.perf_counter()
    found = session.box(*corners)
    seconds.append(time.perf_counter() - began)
    mask = full(found, thing.mask.shape)
    scores.append(dsc(mask, thing.mask))
    for _ in range(clicks):
        click = next_click(session, thing, mask)
        if click:
            began = time.perf_counter()
            found = session.click(click[0], inside=click[1])
            seconds.append(time.perf_counter() - began)
            mask = full(found, thing.mask.shape)
        scores.append(dsc(mask, thing.mask))
    return scores, seconds


def measured(thing: Thing, network: CropNetwork, draws: int) -> dict[str, list[float]]:
    """Return the scores of every way, a number for each draw."""
    rows: dict[str, list[float]] = defaultdict(list)
    tight = bounds(thing.mask)
    rngs = [np.random.default_rng([draw, 17]) for draw in range(draws)]
    for kind, rng in [("tight", None), *(("loose", rng) for rng in rngs)]:
        low, high = loosened(*tight, rng)
        for name, method in METHODS.items():
            rows[f"{kind} {name}"].append(dsc(simple(thing, low, high, method), thing.mask))
        scores, seconds = by_box(thing, network, low, high, CLICKS)
        rows[f"{kind} crop"].append(scores[0])
        for i, score in enumerate(scores[1:], 1):
            rows[f"{kind} crop + {i}"].append(score)
        rows["ms"].append(1000 * seconds[0])
        rows["ms click"] += [1000 * s for s in seconds[1:]]
    for rng in rngs:
        _one_slice(thing, network, rng, rows)
    _line(thing, network, rows)
    return rows


def _one_slice(thing: Thing, network: CropNetwork, rng, rows: dict[str, list[float]]) -> None:
    """A loose box in the largest slice: the slice alone, and the whole thing, depth found."""
    z = int(thing.mask.sum((1, 2)).argmax())
    low, high = bounds(thing.mask[z : z + 1])
    low, high = loosened(low, high, rng)
    low[0], high[0] = z - 0.25, z + 0.25
    cube = (
        (high - low)[1:].mean() * thing.volume.grid.spacing_mm[1] / thing.volume.grid.spacing_mm[0]
    )
    deep = low.copy(), high.copy()
    deep[0][0], deep[1][0] = z - cube / 2, z + cube / 2
    rows["slice ellipsoid"].append(dsc(simple(thing, *deep, METHODS["ellipsoid"]), thing.mask))
    rows["slice crop"].append(by_box(thing, network, low, high)[0][0])


def _line(thing: Thing, network: CropNetwork, rows: dict[str, list[float]]) -> None:
    """The longest diameter: the ball about it, and the network."""
    grid = thing.volume.grid
    found = diameters(thing.mask, grid.spacing_mm[1:])
    ends = [np.array([found.slice * grid.spacing_mm[0], *end]) for end in found.ends]
    middle = (ends[0] + ends[1]) / 2
    axes = [
        np.arange(n) * s - m for n, s, m in zip(grid.shape, grid.spacing_mm, middle, strict=True)
    ]
    ball = (
        axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
        <= (found.longest_mm / 2) ** 2
    )
    rows["line ball"].append(dsc(ball, thing.mask))
    session = Session(thing.volume, network)
    mask = full(session.line(*(in_world(end, session.grid) for end in ends)), thing.mask.shape)
    rows["line crop"].append(dsc(mask, thing.mask))


def main() -> None:
    """Measure, print the table, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--groups", default="")
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    network = load_prompt_network(said.model, said.threads)
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for thing in things(said.data):
        if said.groups and thing.group not in said.groups.split(","):
            continue
        rows = measured(thing, network, said.draws)
        found[thing.group][thing.name] = {key: float(np.mean(v)) for key, v in rows.items() if v}
        print(
            thing.group,
            thing.name,
            {k: round(v, 3) for k, v in found[thing.group][thing.name].items()},
            flush=True,
        )
    print(table(found))
    if said.json:
        said.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return means of each group, a row for each way."""
    groups = list(found)
    keys = list(dict.fromkeys(k for g in groups for one in found[g].values() for k in one))
    lines = [
        "| | " + " | ".join(f"{g} ({len(found[g])})" for g in groups) + " |",
        "|---" * (len(groups) + 1) + "|",
    ]
    for key in keys:
        values = (np.mean([one[key] for one in found[g].values() if key in one]) for g in groups)
        form = "{:.0f}" if key.startswith("ms") else "{:.3f}"
        lines.append(f"| {key} | " + " | ".join(form.format(v) for v in values) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
