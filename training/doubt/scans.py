"""What is said of scans that are not ours, and of those that are: lines for scan_table.py.

    python -m training.doubt.scans CONFIG LINES [--real FOLDER ...] [--limbs FOLDER ...]
                                   [--each N] [--kinds KIND ...] [--new]

Each scan is written and read as a user's is, so that what reading refuses counts as told. Lines
that are there already are kept.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Volume
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.images.reading import read_volume
from FlareSegLib.inference.runtimes import load_network
from FlareSegLib.pipeline import segment
from FlareSegLib.reporting.result import Result
from training.cases.index import Entry, read_index
from training.config import Config, errors_in_a_line, read_config
from training.doubt.degrade import Copy
from training.doubt.foreign import KINDS
from training.doubt.labelled import labelled, load
from training.doubt.runs import lines_of, model_of, seen_by
from training.doubt.table import patient_of

FEWEST_SLICES = 20
"""Of a part of a CT."""
UNKNOWN = (False,) * 256
NOTHING = Copy(np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.uint8), (1.0, 1.0, 1.0))


def planned(
    config: Config, real: list[Path], limbs: list[Path], each: int
) -> Iterator[tuple[str, str, Path | None]]:
    """Yield kind, case and file: all real CTs, then each kind of a CT per patient, then drawings.

    Args:
        config: Of the prepared cases.
        real: Folders of CTs that are run as they are.
        limbs: Folders of CTs of limbs.
        each: Scans of each kind, at the most.
    """
    for path in sorted(path for folder in real for path in folder.glob("*/ct.nii.gz")):
        case = path.parent.name
        yield ("no_organs" if case in config.data.without_organs else "as_it_is"), case, path
    for path in sorted(path for folder in limbs for path in folder.glob("*/ct.nii.gz")):
        yield "limb", path.parent.name, path
    whole = _one_per_patient(config)
    for name, kind in KINDS.items():
        if kind.is_drawn:
            yield from ((name, f"drawing_{number}", None) for number in range(each))
        elif kind.needs:
            fit = [case for case, values in whole.items() if set(kind.needs) <= values]
            yield from ((name, case, None) for case in fit[:each])


def _one_per_patient(config: Config) -> dict[str, set[int]]:
    """Return a case of each patient, that with most organs, and the values of its labels."""
    best: dict[str, tuple[str, set[int]]] = {}
    for entry in labelled(config):
        values = set(np.unique(load(entry, config)[0].labels).tolist())
        row = {"case": entry.case, "patient": entry.patient}
        patient = patient_of(row, config.confidence.patient)
        if len(values) > len(best.get(patient, ("", set()))[1]):
            best[patient] = entry.case, values
    return dict(best.values())


def write(
    config: Config, lines: Path, plan: list[tuple[str, str, Path | None]], *, is_new: bool
) -> None:
    """Add a line per scan to a file.

    Args:
        config: Of the prepared cases.
        lines: The file.
        plan: Kind, case and file of each.
        is_new: Whether no rule was made with these scans at hand; the tables count them apart.
    """
    model = model_of(config)
    facts = read_model_config(model)
    network = load_network(model, facts, config.data.threads, "onnxruntime")
    run = partial(segment, network=network, config=facts)
    done = {(line["kind"], line["case"]) for line in lines_of(lines)}
    cases = {entry.case: entry for entry in read_index(config)}
    for kind, case, path in plan:
        if (kind, case) in done:
            continue
        entry = cases.get(case) if path is None else None
        if said := _said(kind, case, path, entry, config, run):
            line = {"kind": kind, "case": case, "is_new": is_new, **said}
            with lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(kind, case, said.get("refused") or list(said["flags"]), flush=True)


def _said(
    kind: str,
    case: str,
    path: Path | None,
    entry: Entry | None,
    config: Config,
    run: Callable[..., Result],
) -> dict | None:
    """Return what is said of a scan, and what is true of it; None if too little was left of it."""
    base, known = load(entry, config) if entry else (NOTHING, UNKNOWN)
    seed = zlib.crc32(f"{kind} {case}".encode())
    copy = KINDS[kind].make(base, np.random.default_rng(seed))
    if path is None and len(copy.hu) < FEWEST_SLICES:
        return None
    try:
        volume = read_volume(path) if path else _reread(copy)
    except InputError as error:
        return {"seed": seed, "refused": str(error)}
    result = run(volume, options=RunOptions(threads=config.data.threads))
    if path:  # its labels are not told
        labels = np.zeros(volume.array.shape, np.uint8)
        copy = Copy(volume.array.astype(np.float32), labels, volume.grid.spacing_mm)
    before = np.bincount(base.labels.ravel(), minlength=len(known)).tolist()
    facts = {"seed": seed, "voxels_before": before, "flags": result.report.sentences}
    return {**facts, **seen_by(result, copy, known)}


def _reread(copy: Copy) -> Volume:
    """Return a copy as it comes out of a file."""
    image = sitk.GetImageFromArray(copy.volume.array)
    image.SetSpacing(copy.spacing_mm[::-1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.nii.gz"
        sitk.WriteImage(image, str(path))
        return read_volume(path)


def main() -> None:
    """Write what is said of scans."""
    parser = argparse.ArgumentParser(prog="python -m training.doubt.scans")
    parser.add_argument("config", type=Path)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--real", type=Path, nargs="*", default=[])
    parser.add_argument("--limbs", type=Path, nargs="*", default=[])
    parser.add_argument("--each", type=int, default=8)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--new", action="store_true", help="no rule was made with these at hand")
    given = parser.parse_args()
    with errors_in_a_line():
        for folder in (*given.real, *given.limbs, given.lines.parent):
            if not folder.is_dir():
                raise InputError(f"there is no folder {folder}: give one that is there")
        config = read_config(given.config)
        every = planned(config, given.real, given.limbs, given.each)
        plan = [one for one in every if one[0] in given.kinds]
        write(config, given.lines, plan, is_new=given.new)


if __name__ == "__main__":
    main()
