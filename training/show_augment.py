"""A contact sheet of all random changes: python -m training.show_augment config.toml.

One patch, once as it is and once through each change alone; axial above, coronal below, with the
labels' outlines. Look at it before a long training: a change that looks unlike any CT teaches
nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.augment.patch import Case
from training.cases.store import case_ids
from training.config import Config, read_config
from training.patches.data import Patches, Sample, View, load_case
from training.sections import Augment

COLUMNS = 7
WINDOW = (-160.0, 240.0)
"""HU that are black and white."""
CHANGES = tuple(item.name for item in dataclasses.fields(Augment) if item.name != "same_view")


def alone(change: str | None) -> Augment:
    """Return shares in which one change always happens, and no other ever."""
    return Augment(**{name: float(name == change) for name in CHANGES})


def tiles(cases: list[Case], view: View, seed: int) -> dict[str, Sample]:
    """Return the sample of a seed, as it is and through each change, by name."""
    names: tuple[str | None, ...] = (None, *CHANGES)
    return {name or "as it is": Patches(cases, view, alone(name)).draw(seed) for name in names}


def richest_seed(cases: list[Case], view: View, tries: int = 60) -> int:
    """Return the seed whose patch holds the most organs in its two middle planes."""
    patches = Patches(cases, view, alone(None))

    def organs(seed: int) -> int:
        labels = patches.draw(seed).labels
        z, y, _ = (n // 2 for n in labels.shape)
        return len(labels[z].unique()) + len(labels[:, y].unique())

    return max(range(tries), key=organs)


def draw(samples: dict[str, Sample], view: View, path: Path) -> None:
    """Write the contact sheet, a PNG."""
    from matplotlib import figure

    rows = -(-len(samples) // COLUMNS)
    sheet = figure.Figure(figsize=(2.3 * COLUMNS, 3.6 * rows), layout="constrained")
    axes = sheet.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    plain = next(iter(samples.values()))
    for axis, (name, sample) in zip(axes, samples.items(), strict=False):
        hu, first = (s.image[0].numpy() * view.hu_sd + view.hu_mean for s in (sample, plain))
        z = _plane_that_changed(np.abs(hu - first))
        image, labels = _two_planes(hu, z), _two_planes(sample.labels.numpy(), z)
        axis.imshow(image, cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1])
        axis.contour(labels > 0, [0.5], colors="orange", linewidths=0.5)
        axis.set_title(name.replace("_", " "), fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.savefig(path, dpi=100)


def _plane_that_changed(change: NDArray[np.float32]) -> int:
    """Return the middle plane; where a change hardly shows there, the one with the most of it."""
    by_plane = change.mean(axis=(1, 2))
    middle = len(by_plane) // 2
    return middle if by_plane[middle] >= by_plane.max() / 3 else int(by_plane.argmax())


def _two_planes(volume: NDArray[np.generic], z: int) -> NDArray[np.float32]:
    """Return axial plane z above the middle coronal plane, head up."""
    axial = volume[z]
    coronal = volume[::-1, volume.shape[1] // 2]
    gap = np.zeros((3, axial.shape[1]))
    return np.concatenate([axial, gap, coronal]).astype(np.float32)


def prepared(config: Config) -> list[Case]:
    """Return some cases that the stages before distillation wrote."""
    known = (True,) * config.data.classes
    names = case_ids(config.data.cases)[:8]
    return [load_case(config.work, n, config.seed, known, with_soft=False) for n in names]


def main(config: Config, path: Path) -> None:
    """Write the contact sheet of a config's data."""
    data, cases = config.data, prepared(config)
    view = View(config.train.patch, data.hu_range, data.hu_mean, data.hu_sd)
    draw(tiles(cases, view, richest_seed(cases, view)), view, path)
    print(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m training.show_augment")
    parser.add_argument("config", type=Path, help="the settings, a TOML file")
    parser.add_argument("-o", type=Path, help="the picture; else augment.png in the work folder")
    given = parser.parse_args()
    settings = read_config(given.config)
    main(settings, given.o or settings.work / "augment.png")
