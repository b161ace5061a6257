"""Prompts against simple methods on masks of real CTs, and against paper 4's way; seconds, memory.

    make bench-prompt BENCH="../shared/data --draws 5 --embed CONFIG.toml"

Writes docs/benchmark_prompt.md. Loose boxes have each side 0 to 10 % further out, drawn anew each
time; tight ones fit. GrabCut has a row where OpenCV is there: it is no dependency, for it weighs
61 MB, more than all that FlareSeg needs to run.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from FlareSegLib.base.resources import physical_cores
from FlareSegLib.prompting.diameters import diameters
from FlareSegLib.prompting.prompt_network import CropNetwork, load_prompt_network
from FlareSegLib.prompting.prompts import in_world
from FlareSegLib.prompting.session import Session
from Testing.benchmarks.prompt_methods import METHODS, grabcut
from Testing.benchmarks.prompt_things import (
    Edges,
    Mask,
    Thing,
    bounds,
    dsc,
    full,
    loosened,
    next_click,
    things,
)
from Testing.benchmarks.prompt_times import times
from Testing.benchmarks.timing import ROOT, machine

KINDS = ("loose", "tight", "slice, loose", "slice, tight", "depth", "line")
CLICKS = 3
AROUND = 0.5
"""So much of the box's size is shown to GrabCut on each side of it: it learns what is outside."""
SLICES = 5
"""Of each thing, for boxes in one slice."""

Rows = dict[str, list[float]]
Found = dict[str, dict[str, dict[str, float]]]
"""Mean DSC by group, thing and way."""


def simple(thing: Thing, low: Edges, high: Edges, method) -> Mask:
    """Return what a simple method makes of a box."""
    mask = np.zeros(thing.mask.shape, bool)
    start = np.maximum(np.ceil(low), 0).astype(int)
    stop = np.minimum(np.floor(high) + 1, thing.mask.shape).astype(int)
    box = tuple(map(slice, start, stop))
    if method is not grabcut:
        mask[box] = method(thing.volume.array[box].astype(np.float32))
        return mask
    reach = np.ceil((stop - start) * AROUND).astype(int) * (0, 1, 1)
    first, last = np.maximum(start - reach, 0), np.minimum(stop + reach, mask.shape)
    wide = tuple(map(slice, first, last))
    inner = tuple(map(slice, start - first, stop - first))
    mask[wide] = grabcut(thing.volume.array[wide].astype(np.float32), inner)
    return mask


def by_box(
    thing: Thing, network: CropNetwork, low: Edges, high: Edges, clicks: int = 0
) -> list[Mask]:
    """Return the mask after the box and after each click."""
    session = Session(thing.volume, network)
    spacing = np.array(thing.volume.grid.spacing_mm)
    corners = in_world(low * spacing, session.grid), in_world(high * spacing, session.grid)
    found = session.box(*corners)
    masks = [full(found, thing.mask.shape)]
    for _ in range(clicks):
        click = next_click(session, thing, masks[-1])
        if click:
            found = session.click(click[0], inside=click[1])
        masks.append(full(found, thing.mask.shape))
    return masks


def boxes(thing: Thing, rngs: list[np.random.Generator]) -> Iterator[tuple[str, Edges, Edges]]:
    """Yield the boxes about a thing: loose ones, a draw each, and the tight one."""
    tight = bounds(thing.mask)
    for rng in rngs:
        yield "loose", *loosened(*tight, rng)
    yield "tight", *tight


def flat_boxes(thing: Thing) -> Iterator[tuple[str, int, Edges, Edges]]:
    """Yield boxes in single slices, spread evenly: row, slice, first and last edges."""
    rng = np.random.default_rng(19)
    held = np.flatnonzero(thing.mask.any((1, 2)))
    for z in np.unique(held[np.linspace(0, len(held) - 1, SLICES + 2).round().astype(int)][1:-1]):
        for kind, drawn in (("loose", rng), ("tight", None)):
            yield f"slice, {kind}", int(z), *flat_box(thing, z, drawn)


def flat_box(thing: Thing, z: int, rng: np.random.Generator | None) -> tuple[Edges, Edges]:
    """Return the box about a thing in a slice; without a generator it fits."""
    low, high = loosened(*bounds(thing.mask[z : z + 1]), rng)
    low[0], high[0] = z - 0.25, z + 0.25
    return low, high


def seeds(draws: int) -> list[np.random.Generator]:
    """Return a generator for each draw."""
    return [np.random.default_rng([draw, 17]) for draw in range(draws)]


def measured(thing: Thing, network: CropNetwork, draws: int) -> Rows:
    """Return the scores of simple methods and of the crop network, a number for each draw."""
    rows: Rows = defaultdict(list)
    rngs = seeds(draws)
    for kind, low, high in boxes(thing, rngs):
        for name, method in METHODS.items():
            rows[f"{kind} {name}"].append(dsc(simple(thing, low, high, method), thing.mask))
        for i, mask in enumerate(by_box(thing, network, low, high, CLICKS)):
            rows[f"{kind} **crop**" + (f" + {i}" if i else "")].append(dsc(mask, thing.mask))
    for rng in rngs:
        _one_slice(thing, network, rng, rows)
    for row, z, low, high in flat_boxes(thing):
        truth = thing.mask[z]
        for name, method in METHODS.items():
            rows[f"{row} {name}"].append(dsc(simple(thing, low, high, method)[z], truth))
        rows[f"{row} **crop**"].append(dsc(by_box(thing, network, low, high)[0][z], truth))
    _line(thing, network, rows)
    return rows


def embedded(thing: Thing, draws: int, networks: dict[str, Callable[..., Any]]) -> Rows:
    """Return the scores of paper 4's way with the same boxes."""
    rows: Rows = defaultdict(list)
    volumes = {name: of(thing.volume.array) for name, of in networks.items()}
    for kind, low, high in boxes(thing, seeds(draws)):
        for name, volume in volumes.items():
            for way, propagate in (("propagated", True), ("fixed box", False)):
                mask = volume.box(low, high, propagate=propagate)
                rows[f"{kind} {name}, {way}"].append(dsc(mask, thing.mask))
    for row, z, low, high in flat_boxes(thing):
        box = np.array([low[2], low[1], high[2], high[1]]) + 0.5
        for name, volume in volumes.items():
            rows[f"{row} {name}"].append(dsc(volume.slice(z, box), thing.mask[z]))
    return rows


def _one_slice(thing: Thing, network: CropNetwork, rng, rows: Rows) -> None:
    """A loose box in the largest slice, and the whole thing, depth found."""
    z = int(thing.mask.sum((1, 2)).argmax())
    low, high = flat_box(thing, z, rng)
    spacing = thing.volume.grid.spacing_mm
    cube = (high - low)[1:].mean() * spacing[1] / spacing[0]
    deep = low.copy(), high.copy()
    deep[0][0], deep[1][0] = z - cube / 2, z + cube / 2
    ball = simple(thing, *deep, METHODS["ellipsoid"])
    rows["depth found, ellipsoid of a cube"].append(dsc(ball, thing.mask))
    rows["depth found **crop**"].append(dsc(by_box(thing, network, low, high)[0], thing.mask))


def _line(thing: Thing, network: CropNetwork, rows: Rows) -> None:
    """The longest diameter: the ball about it, and the network."""
    grid = thing.volume.grid
    found = diameters(thing.mask, grid.spacing_mm[1:])
    ends = [np.array([found.slice * grid.spacing_mm[0], *end]) for end in found.ends]
    middle = (ends[0] + ends[1]) / 2
    z, y, x = (
        np.arange(n) * s - m for n, s, m in zip(grid.shape, grid.spacing_mm, middle, strict=True)
    )
    ball = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= (found.longest_mm / 2) ** 2
    rows["line, ball"].append(dsc(ball, thing.mask))
    session = Session(thing.volume, network)
    mask = full(session.line(*(in_world(end, session.grid) for end in ends)), thing.mask.shape)
    rows["line **crop**"].append(dsc(mask, thing.mask))


def _order(key: str) -> int:
    """Return where a row stands: rows of a kind together, else in the order they came."""
    return KINDS.index(next((kind for kind in KINDS if key.startswith(kind)), KINDS[-1]))


def table(found: Found) -> str:
    """Return means of each group, a row for each way."""
    groups = list(found)
    keys = list(dict.fromkeys(k for g in groups for one in found[g].values() for k in one))
    lines = [
        "| | " + " | ".join(f"{g} ({len(found[g])})" for g in groups) + " |",
        "|---" * (len(groups) + 1) + "|",
    ]
    for key in sorted(keys, key=_order):
        values = [[one[key] for one in found[g].values() if key in one] for g in groups]
        cells = (f"{np.mean(v):.3f}" if v else "" for v in values)
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(found: Found, draws: int, timed: str) -> str:
    """Return the page."""
    by_name = [
        f"| {name} | {rows['loose ellipsoid']:.3f} | {rows['loose **crop**']:.3f} "
        f"| {rows['loose **crop** + 3']:.3f} |"
        for name, rows in found.get("open lesions", {}).items()
        if "loose ellipsoid" in rows
    ]
    return f"""# Prompts, measured

Written by `make bench-prompt` on {date.today()}; nothing here was edited by hand. Mean DSC,
{draws} draws of loose boxes (each side 0 to 10 % further out; tight ones fit). "slice": a box in
one slice, and the mask of that slice, {SLICES} slices a thing. "depth found": a box in the largest
slice, and the whole thing. "line": the longest diameter, and the whole thing. "+ 1": after a click
in the largest error.

{machine()}

{table(found)}

| open lesion, loose 3-D box | ellipsoid | crop | + 3 clicks |
|---|---|---|---|
{chr(10).join(by_name)}

{timed}
"""


def main() -> None:
    """Measure, print the table, write page and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--groups", default="", help="such as 'open lesions,unseen organs'")
    parser.add_argument("--embed", type=Path, help="config of a trained embedding network")
    parser.add_argument("--json", type=Path, help="takes all means")
    parser.add_argument("--only-embed", action="store_true", help="add to what --json has")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    parser.add_argument("--no-times", action="store_true")
    said = parser.parse_args()
    if said.only_embed and not (said.embed and said.json):
        parser.error("--only-embed needs --embed and --json")
    timed = "" if said.no_times else times(said.model, min(2, physical_cores()))
    network = None if said.only_embed else load_prompt_network(said.model, 1)
    networks = _networks(said.embed) if said.embed else {}
    found: Found = json.loads(said.json.read_text("utf-8")) if said.only_embed else {}
    for thing in things(said.data, tuple(filter(None, said.groups.split(",")))):
        rows = embedded(thing, said.draws, networks) if networks else {}
        if network:
            rows = measured(thing, network, said.draws) | rows
        means = found.setdefault(thing.group, {}).setdefault(thing.name, {})
        means |= {key: float(np.mean(scores)) for key, scores in rows.items()}
        print(thing.group, thing.name, flush=True)
    print(table(found), timed, sep="\n\n")
    if said.json:
        said.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    text = page(found, said.draws, timed)
    (said.docs / "benchmark_prompt.md").write_text(text, encoding="utf-8")


def _networks(config: Path) -> dict[str, Callable[..., Any]]:
    from Testing.benchmarks.prompt_embed import networks  # needs torch

    return networks(config)


if __name__ == "__main__":
    main()
