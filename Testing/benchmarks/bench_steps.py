"""What each step to be fast gains, alone: seconds and DSC with the step and with its plain way."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from FlareSegLib.base.resources import physical_cores
from Testing.benchmarks.bench_end_to_end import ORT, score
from Testing.benchmarks.timing import Program, interleaved, segment

INTRO = """
Every row runs the program as it is and, right after it, with one step done in a plain way
(`Testing/benchmarks/plain.py`). Seconds are medians of all runs, "plain to ours", of the step and
of the whole run. DSC is the mean over the validation CTs; "same bytes" where the labels of the
large CT are the same, byte by byte.
""".strip()
FAST = ("--speed", "fast", *ORT)
OPENVINO = ("--runtime", "openvino")


@dataclass(frozen=True)
class Way:
    """A way to run the program."""

    plain: str = ""
    """Function of plain.py; empty: the program as it is."""
    options: tuple[str, ...] = ORT

    @property
    def name(self) -> str:
        """For people."""
        return " ".join(part for part in (self.plain, *self.options) if part)

    def program(self, ct: Path, folder: Path, name: str) -> Program:
        """Return the program that segments a CT this way."""
        found = segment(name, ct, folder, *self.options)
        if self.plain:
            words = [sys.executable, "-m", "Testing.benchmarks.plain", self.plain]
            found.command = [*words, *found.command[3:]]
        return found


@dataclass(frozen=True)
class Row:
    """A step and what it is measured against."""

    step: str
    """Of the report; "": that is not a step of the report."""
    ours: str
    theirs: str
    plain: Way
    fast: Way = Way()


def rows() -> list[Row]:
    """Return what can be measured here; says what is left out."""
    found = [
        Row("read", "unpack while Python imports", "one after the other", Way("not_ahead")),
        Row("read", "one call of isal, ahead", "ITK unpacks", Way("read_in_simpleitk")),
        Row("read", "isal", "zlib (no extra)", Way("zlib_only")),
        Row("", "a run imports no SciPy", "SciPy imported", Way("import_scipy")),
        Row(
            "network",
            "where a first look saw organs",
            "everywhere",
            Way("", (*ORT, "--no-centre-first")),
        ),
        Row("network", "box around the body", "the whole plane", Way("whole_plane")),
        Row("resample", "two taps in NumPy", "SimpleITK, linear", Way("resample_in_simpleitk")),
        Row("resample", "two taps in NumPy", "cubic splines", Way("cubic_splines")),
        Row(
            "network", "slabs, body once", "64 x 160 x 160, half overlapping", Way("small_windows")
        ),
        Row("network", "threads sleep when they wait", "threads spin", Way("spinning")),
        Row("network", "arena", "no arena", Way("no_arena")),
        Row("network", "int8 (fast)", "float32 (balanced)", Way(), Way("", FAST)),
        Row(
            "restore",
            "mixed cells",
            "class by class, threaded",
            Way("", (*ORT, "--restore", "classwise")),
        ),
        Row("restore", "mixed cells", "nearest label", Way("nearest_labels")),
        Row("clean up", "runs", "voxels, SciPy", Way("clean_by_voxels")),
        Row("measure", "runs", "voxels, SciPy", Way("measure_by_voxels")),
        Row("measure", "all that trust.md tells", "volumes, mean HU", Way("without_trust")),
    ]
    if physical_cores() > 1:
        found.append(Row("", "all cores", "1 thread", Way("", (*ORT, "--threads", "1"))))
    if importlib.util.find_spec("openvino"):
        ours = Way("", OPENVINO)
        found += [
            Row("network", "OpenVINO, bfloat16", "onnxruntime, float32", Way(), ours),
            Row(
                "network",
                "OpenVINO, bfloat16",
                "OpenVINO, float32",
                Way("openvino_float32", OPENVINO),
                ours,
            ),
        ]
    else:
        print("left out: OpenVINO is not installed")
    return found


def programs(measured: list[Row], ct: Path, folder: Path) -> dict[Way, Program]:
    """Return a program for each way that a row needs."""
    ways = dict.fromkeys(way for row in measured for way in (row.fast, row.plain))
    return {way: way.program(ct, folder, way.name) for way in ways}


def run(measured: list[Row], found: dict[Way, Program], rounds: int) -> None:
    """Run both programs of each row, one after the other."""
    interleaved([found[way] for row in measured for way in (row.fast, row.plain)], rounds)


def scores(found: dict[Way, Program], truth: Path | None, folder: Path) -> dict[Way, float]:
    """Return the mean DSC of each way on the CTs of truth.

    A way whose labels of the large CT are those of the program as it is, byte by byte, has its DSC.
    """
    if truth is None:
        print("left out: DSC (give --truth DIR)")
        return {}
    known: dict[str, float] = {}
    result = {}
    for i, (way, program) in enumerate(found.items()):
        labels = _digest(program)
        if labels not in known:
            known[labels] = score(truth, folder / f"way {i}", way.program)
        result[way] = known[labels]
    return result


def _digest(program: Program) -> str:
    """Return the checksum of the labels that a program wrote."""
    out = program.command[program.command.index("-o") + 1]
    return hashlib.sha256(Path(out).read_bytes()).hexdigest()


def table(measured: list[Row], found: dict[Way, Program], dsc: dict[Way, float]) -> str:
    """Return the rows in Markdown."""
    lines = [
        "| step | ours | instead | seconds of the step | of the run | DSC |",
        "|---|---|---|---|---|---|",
    ]
    for row in measured:
        fast, plain = found[row.fast], found[row.plain]
        spent = _pair(plain.of_step(row.step), fast.of_step(row.step)) if row.step else ""
        same = _digest(fast) == _digest(plain)
        scored = f"{dsc[row.plain]:.3f} to {dsc[row.fast]:.3f}" if dsc else ""
        cells = (row.step or "all", row.ours, row.theirs, spent, _pair(plain.median, fast.median))
        lines.append(f"| {' | '.join((*cells, 'same bytes' if same else scored))} |")
    return "\n".join(lines)


def _pair(before: float, after: float) -> str:
    return f"{before:.2f} to {after:.2f}"
