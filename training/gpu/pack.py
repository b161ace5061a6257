"""Cases of a work folder packed small enough to travel to a GPU.

`python -m training.gpu.pack CONFIG.toml TO [--decisions LIST.json --other FOLDER]` writes
TO/pack_a, TO/pack_b and TO/labels. A CT becomes uint8: levels of 4 HU in soft tissue, coarser in
lung and bone. Long chests and legs are cut off beyond the outermost organ.
"""

from __future__ import annotations

import argparse
import json
import lzma
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = np.concatenate(
    [np.arange(-1024, -200, 32), np.arange(-200, -40, 8), np.arange(-40, 300, 4),
     np.arange(300, 1301, 20)]
).astype(np.int16)  # fmt: skip
"""HU of each level."""
CHEST, PELVIS = 60, 80
"""Slices kept above and below the outermost organ (esophagus and aorta not counted)."""
TUBES = (5, 10)
"""Aorta and esophagus, which reach up into the chest."""
UNKNOWN = 255
"""Label where nothing is taught: see training/labelling/decisions.py."""
FILTERS = [
    {
        "id": lzma.FILTER_LZMA2, "preset": 6, "lc": 4, "lp": 0, "pb": 0,
        "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 16, "depth": 4,
    }
]  # fmt: skip
"""For noise, which repeats nothing: entropy coding in the context of the voxel before."""

Bytes = NDArray[np.uint8]


def to_levels(hu: NDArray[np.int16]) -> Bytes:
    """Return the nearest level of each voxel."""
    borders = (LEVELS[1:] + LEVELS[:-1]) / 2
    return np.searchsorted(borders, hu).astype(np.uint8)


def packed(array: Bytes) -> bytes:
    """Return an array of bytes compressed (xz)."""
    return lzma.compress(array.tobytes(), lzma.FORMAT_XZ, filters=FILTERS)


def unpacked(path: Path, shape: tuple[int, ...]) -> Bytes:
    """Return what packed() wrote."""
    return np.frombuffer(lzma.decompress(path.read_bytes()), np.uint8).reshape(shape)


def reach(labels: Bytes) -> slice:
    """Return the slices that are kept of a case with these labels; all, where there is no organ."""
    organs = (labels > 0) & ~np.isin(labels, (*TUBES, UNKNOWN))
    levels = np.flatnonzero(organs.any(axis=(1, 2)))
    if not len(levels):
        return slice(0, len(labels))
    start = max(0, (int(levels[0]) - PELVIS) // 2 * 2)
    return slice(start, min(len(labels), (int(levels[-1]) + CHEST) // 2 * 2))


def pack_case(
    name: str, work: Path, decisions: list[dict[str, Any]], other: Path | None
) -> tuple[str, tuple[int, ...], bytes, bytes]:
    """Return name, shape, CT and labels of a case."""
    from training.cases.store import load_ct, load_labels
    from training.labelling.decisions import decided
    from training.sections import Data

    labels = load_labels(work, name)
    if other is not None:
        second = np.load(other / f"{name}.npz")["array"]
        mine = [one for one in decisions if one["case"] == name]
        labels = decided(labels, second, mine, Data().keys)
    kept = reach(labels)
    ct = to_levels(load_ct(work, name)[kept])
    return name, ct.shape, packed(ct), packed(labels[kept])


def write(found: list[tuple[str, tuple[int, ...], bytes, bytes]], to: Path) -> None:
    """Write cases into two packs of about the same size, and their labels."""
    half, so_far = sum(len(ct) for _, _, ct, _ in found) / 2, 0
    (to / "labels").mkdir(parents=True, exist_ok=True)
    packs: dict[str, dict[str, Any]] = {"pack_a": {}, "pack_b": {}}
    for name, shape, ct, labels in found:
        pack = "pack_a" if so_far < half else "pack_b"
        so_far += len(ct)
        packs[pack][name] = {"shape": shape}
        (to / pack).mkdir(exist_ok=True)
        (to / pack / f"{name}.ct.xz").write_bytes(ct)
        (to / "labels" / f"{name}.labels.xz").write_bytes(labels)
    for pack, cases in packs.items():
        facts = {"levels": LEVELS.tolist(), "cases": cases}
        (to / pack / "index.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print(f"{len(found)} cases, {so_far / 2**20:.1f} MiB of CTs in {to}")


def main() -> None:
    """Pack the training cases of a work folder."""
    from training.cases.index import read_index
    from training.config import read_config

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("to", type=Path)
    parser.add_argument("--decisions", type=Path, help="training/configs/decisions.json")
    parser.add_argument("--other", type=Path, help="folder of <case>.npz: the second opinion")
    given = parser.parse_args()
    config = read_config(given.config)
    decisions = json.loads(given.decisions.read_text()) if given.decisions else []
    names = [entry.case for entry in read_index(config, "train")]
    job = partial(pack_case, work=config.work, decisions=decisions, other=given.other)
    with ProcessPoolExecutor() as pool:
        write(list(pool.map(job, names)), given.to)


if __name__ == "__main__":
    main()
