"""What subcommands share: options, their types, and wrong usage (exit code 2).

Pure, and light: no numpy, so that help and usage errors are instant.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import threading
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from FlareSegLib.base.label_file import ALL, default_labels

if TYPE_CHECKING:
    from FlareSegLib.base.labels import LabelSet
    from FlareSegLib.base.run_options import RunOptions

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What takes the parser of each subcommand."""
SPEEDS = ("fast", "balanced", "accurate")
"""As in config.py, which imports numpy: a test holds the two together."""
RUNTIMES = ("auto", "onnxruntime", "openvino")
"""As in config.py."""
RESTORES = ("mixed", "classwise")
"""As in config.py."""
SEGS = ("labelmap", "binary")
"""As in images/dicom/seg.py."""
DEVICES = ("auto", "cpu", "gpu")
"""As in config.py."""
PROGRESS = ("auto", "json")
"""For people, and for programs."""
MOST_LISTED = 30
"""Organs that a message lists."""
MESHES = ("stl", "obj", "ply", "glb")
"""As in exports/meshes.py."""
EXTRAS = {
    "split": "a mask of each organ, in a folder as TotalSegmentator writes it",
    "names": "what the values mean, for BIDS (.tsv) and ITK-SNAP (.label.txt)",
    "pdf": "a page with picture and table; a DICOM document if OUT is .dcm (extra preview)",
    "sr": "volumes and HU as DICOM report that refers to OUT, which must be .dcm",
    "sc": "the picture as DICOM image of the study (extras preview and dicom)",
}
"""Keys as in job.py, and what they are."""
MODEL = "name, folder or zip file of a model (default: the one that ships)"


class WrongUsageError(Exception):
    """What was said cannot be meant: the command shows its usage, and ends with exit code 2."""


def add_command(
    commands: Commands, run: Callable[[argparse.Namespace], int | None], **texts: Any
) -> argparse.ArgumentParser:
    """Return the parser of a subcommand.

    Args:
        commands: Where it belongs.
        run: Does it; returns the exit code, None for 0.
        texts: Its name, help, and perhaps description and epilog.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        texts.pop("name"), formatter_class=argparse.RawDescriptionHelpFormatter, **texts
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=run, stopped="stopped, nothing written")
    return parser


def add_choices(group: argparse._ArgumentGroup) -> None:
    """Add what a run can be told."""

    def add(flag: str, say: str, **more: object) -> None:
        group.add_argument(flag, help=f"{say} (default: %(default)s)", **more)  # type: ignore[arg-type]

    add("--speed", "fast is int8, up to a fifth faster", choices=SPEEDS, default="balanced")
    add("--organs", "such as liver,spleen", type=organ_keys, default="all", metavar="KEYS")
    add("--threads", "at most; 0: automatic", type=count, default=0, metavar="N")
    add("--restore", "to the grid: the same labels", choices=RESTORES, default="mixed")
    add("--runtime", "what runs the network", choices=RUNTIMES, default="auto")
    add("--device", "gpu: a graphics card, if there is one", choices=DEVICES, default="auto")
    add("--progress", "how it is shown; json is for programs", choices=PROGRESS, default="auto")
    add("--seg", "kind of a DICOM SEG; binary for older viewers", choices=SEGS, default=SEGS[0])
    add("--hu-offset", "added to every voxel", type=finite, default=0.0, metavar="HU")


def add_extras(group: argparse._ArgumentGroup) -> None:
    """Add what can be written beside a labelmap."""
    for kind, say in EXTRAS.items():
        group.add_argument(f"--{kind}", help=say, action="store_true")
    meshes = "a closed surface of each organ in mm; glb is one colored file (extra mesh)"
    group.add_argument("--mesh", choices=MESHES, help=meshes)


def chosen_extras(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the keys of job.EXTRAS that were asked for."""
    kinds = [kind for kind in EXTRAS if getattr(options, kind)]
    return (*kinds, options.mesh) if options.mesh else tuple(kinds)


def add_switches(group: argparse._ArgumentGroup) -> None:
    """Add what can be switched off."""

    def add(flag: str, name: str, say: str) -> None:
        group.add_argument(flag, dest=name, help=say, action="store_false")

    add("--no-skip-air", "skip_air", "run windows that hold no body too")
    add("--no-centre-first", "centre_first", "look closely at parts without organs too")
    add("--no-cleanup", "clean", "write what the network said")
    ids = "do not hide what DICOM files say of the patient in names, reports and messages"
    group.add_argument("--keep-ids", help=ids, action="store_true")
    who = "tell study date, sex and age in report and summary, as DICOM files do"
    group.add_argument("--keep-demographics", help=who, action="store_true")
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")


def to_run_options(options: argparse.Namespace) -> RunOptions:
    """Return the choices of the user for the pipeline."""
    from FlareSegLib.base.run_options import RunOptions

    return RunOptions(
        speed=options.speed,
        organs=options.organs,
        threads=options.threads,
        skip_air=options.skip_air,
        centre_first=options.centre_first,
        clean=options.clean,
        runtime=options.runtime,
        device=options.device,
        restore=options.restore,
        keep_ids=options.keep_ids,
        keep_demographics=options.keep_demographics,
    )


def organ_keys(text: str) -> tuple[str, ...]:
    """Return the keys, each once; empty for "all". check_organs() looks whether they are known."""
    keys = tuple(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))
    if not keys:
        raise argparse.ArgumentTypeError("nothing is no organ: give keys such as liver,spleen")
    return () if keys == (ALL,) else keys


def check_organs(options: argparse.Namespace) -> None:
    """Check --organs against the organs of the model.

    Raises:
        WrongUsageError: One is unknown; says what was probably meant.
        ModelError: The model folder is broken.
    """
    if not options.organs:
        return
    known = labels_of(options).keys
    if wrong := [key for key in options.organs if key not in known]:
        meant = dict.fromkeys(near for key in wrong for near in close_to(key, known))
        listed = ", ".join(known[:MOST_LISTED]) + (", ..." if len(known) > MOST_LISTED else "")
        cure = f"did you mean {', '.join(meant)}?" if meant else f"choose from {listed}"
        raise WrongUsageError(f"{', '.join(wrong)} is no organ: {cure}")


def labels_of(options: argparse.Namespace) -> LabelSet:
    """Return the organs of the model that was chosen.

    Raises:
        ModelError: The model folder is broken.
    """
    if not options.model:
        return default_labels()
    from FlareSegLib.base.model_file import read_model_config

    return read_model_config(options.model).label_set


def close_to(word: str, known: Sequence[str]) -> list[str]:
    """Return what was probably meant by a word; empty if nothing is near."""
    plain = word.lower().replace("-", "_").replace(" ", "_")
    inside = [one for one in known if len(plain) > 3 and plain in one]
    return inside or get_close_matches(plain, known, 1)


def ml(text: str) -> float:
    """Return a volume in ml."""
    with contextlib.suppress(ValueError):
        value = float(text)
        if 0 <= value < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text} is no volume: give 0 or more ml")


def seconds(text: str) -> float:
    """Return a time."""
    with contextlib.suppress(ValueError):
        value = float(text)
        if 0 <= value <= threading.TIMEOUT_MAX:
            return value
    raise argparse.ArgumentTypeError(f"{text} is no time: give 0 (any) or more seconds")


def scheduler(text: str) -> str:
    """Return the address of a Dask scheduler."""
    if text == "local" or "://" in text:
        return text
    raise argparse.ArgumentTypeError(f"{text} is no address: give local, or one as tcp://head:8786")


def count(text: str) -> int:
    """Return a whole number from 0 on."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text} is no count: give 0 (automatic) or more")
    return int(text)


def finite(text: str) -> float:
    """Return a number of HU."""
    with contextlib.suppress(ValueError):
        value = float(text)
        if math.isfinite(value):
            return value
    raise argparse.ArgumentTypeError(f"{text} is no number of HU: give one such as -1024")


def ending(suffix: str) -> Callable[[str], Path]:
    """Return a check that keeps `--csv ct.nii.gz` from writing over a CT."""

    def check(text: str) -> Path:
        if text != "-" and not text.lower().endswith(suffix):
            raise argparse.ArgumentTypeError(f"{text} does not end in {suffix}")
        return Path(text)

    return check
