"""A picture of prompts for docs/prompt.md: a box, a click, and an organ corrected, on a phantom.

    python -m Testing.prompting.picture docs/images/prompt.png

The networks that ship, on the phantom of the tests with a darker lesion in its liver.
"""

import sys
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.prompt_network import load_prompt_network
from FlareSegLib.prompting.prompts import in_world
from FlareSegLib.prompting.session import Session
from Testing.phantoms import abdomen

SHAPE, SPACING = (128, 150, 190), (2.5, 2.0, 2.0)
RADIUS, DARKER, NOISE = (16.0, 20.0, 24.0), 45, 12
"""Of the lesion, mm (z, y, x); its HU below the liver's; SD."""
LIVER, REACH = 1, 40
"""Value; voxels that are shown on each side of the middle."""
MASK, POINT, BOX = "#e8a33d", "#4fc3f7", "#ffffff"

Frame = tuple[str, Found, np.ndarray | None]
"""Title, what stands then, and a click (voxel)."""


def phantom() -> tuple[Volume, Labelmap, np.ndarray]:
    """Return CT, organs, and the middle of the lesion (voxel)."""
    volume, labels = abdomen(SHAPE, SPACING, noise_hu=NOISE)
    middle = np.argwhere(labels.array == LIVER).mean(0).round().astype(int)
    axes = [(np.arange(n) - at) * s for n, at, s in zip(SHAPE, middle, SPACING, strict=True)]
    z, y, x = ((line / radius) ** 2 for line, radius in zip(axes, RADIUS, strict=True))
    lesion = z[:, None, None] + y[:, None] + x < 1
    return Volume(volume.array - (lesion * DARKER).astype(np.int16), volume.grid), labels, middle


def frames(volume: Volume, labels: Labelmap, middle: np.ndarray) -> Iterator[Frame]:
    """Yield a lesion after a box and after a click, and the liver before and after a click."""
    session, step = Session(volume, load_prompt_network(threads=1)), np.array(SPACING)
    half = np.array(RADIUS) + 3
    low, high = (in_world(middle * step + side * half, session.grid) for side in (-1, 1))
    yield "a box", session.box(low, high), None
    edge = middle + np.array((0, 0, round(RADIUS[2] / SPACING[2]) - 2))
    yield "a click outside", session.click(in_world(edge * step, session.grid), inside=False), edge
    organ = (labels.array == LIVER).astype(np.uint8)
    missing = middle + np.array((0, 12, -20))
    z, y, x = ((np.arange(n) - at) * s for n, at, s in zip(SHAPE, missing, SPACING, strict=True))
    organ[z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < 14**2] = 0
    yield "an organ that lacks a piece", session.start(Labelmap(organ, volume.grid), 1), None
    yield "a click inside", session.click(in_world(missing * step, session.grid)), missing


def show(axes: Axes, volume: Volume, frame: Frame, middle: np.ndarray) -> None:
    """Draw the slice of the middle: CT, contour, box of the lesion, click."""
    title, found, click = frame
    z, y, x = middle
    mask = np.zeros(SHAPE, bool)
    mask[found.box.slices] = found.mask
    axes.imshow(volume.array[z], cmap="gray", vmin=-60, vmax=200)
    axes.contour(mask[z], [0.5], colors=MASK, linewidths=1.8)
    if title == "a box":
        low, high = np.array(found.extent.low) / SPACING, np.array(found.extent.high) / SPACING
        size = high - low
        box = mpl.patches.Rectangle((low[2], low[1]), size[2], size[1], fill=False, edgecolor=BOX)
        axes.add_patch(box)
    if click is not None:
        axes.plot(click[2], click[1], "+" if "inside" in title else "_", color=POINT, ms=12, mew=2)
    axes.set(xlim=(x - REACH, x + REACH), ylim=(y + REACH, y - REACH), xticks=[], yticks=[])
    axes.set_title(f"{title}: {found.ml:.1f} ml", fontsize=10)


def main(path: str) -> None:
    """Save the picture."""
    mpl.use("Agg")
    volume, labels, middle = phantom()
    figure, all_axes = pyplot.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
    for axes, frame in zip(all_axes, frames(volume, labels, middle), strict=True):
        show(axes, volume, frame, middle)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
