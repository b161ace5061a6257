"""Programs run one after the other, round by round: seconds, peak memory, seconds of each step."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from FlareSegLib.base.resources import physical_cores

ROOT = Path(__file__).parents[2]


@dataclass
class Program:
    """A command and what it took; its report, if it writes one, stands at `report`."""

    name: str
    command: list[str]
    folder: Path = ROOT
    report: Path | None = None
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    steps: list[dict[str, float]] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    def of_step(self, name: str) -> float:
        """Return the median of the seconds of a step."""
        return statistics.median(one.get(name, 0.0) for one in self.steps)

    def run(self) -> None:
        """Run it once, as a process of its own."""
        seconds, cpu_seconds, peak = timed(self.command, self.folder)
        self.seconds.append(seconds)
        self.cpu_seconds.append(cpu_seconds)
        self.peak_mib.append(peak)
        if self.report:
            facts = json.loads(self.report.read_text(encoding="utf-8"))["run"]
            self.steps.append(facts["seconds"])


LAUNCHER = """
import resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
seconds = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.stderr.buffer.write(done.stderr)
"""
"""A small process that starts the program: Linux counts the peak of who starts one as its own."""


def timed(command: list[str], folder: Path = ROOT) -> tuple[float, float, float]:
    """Run a command in a folder; return wall seconds, CPU seconds, peak resident memory in MiB.

    Modules stay compiled for the next run, as pip leaves them, whatever the environment says.
    """
    small = [sys.executable, "-S", "-c", LAUNCHER, *command]
    env = {name: said for name, said in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        small, cwd=folder, env=env, capture_output=True, check=True, encoding="utf-8"
    )
    code, seconds, cpu_seconds, peak = done.stdout.split()
    if code != "0":
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-500:]}")
    return float(seconds), float(cpu_seconds), int(peak) / 1024


def segment(name: str, ct: Path, folder: Path, *options: str, tree: Path = ROOT) -> Program:
    """Return the program that segments a CT with the FlareSeg in a tree."""
    stem = "".join(c if c.isalnum() else "_" for c in name)
    out = folder / f"{stem}.nii.gz"
    command = [sys.executable, "-m", "FlareSegLib", "segment", str(ct), "-o", str(out), "--quiet"]
    return Program(name, [*command, *options], tree, out.with_name(f"{stem}.report.json"))


def interleaved(programs: list[Program], rounds: int) -> None:
    """Run all programs, round by round: what else the machine does hits them alike."""
    for i in range(rounds):
        for program in programs:
            program.run()
            used = f"{program.cpu_seconds[-1]:.1f} s of CPU, {program.peak_mib[-1]:.0f} MiB"
            said = f"round {i + 1}: {program.name} {program.seconds[-1]:.2f} s, {used}"
            print(said, flush=True)


def table(programs: list[Program], dsc: dict[str, float]) -> str:
    """Return medians, ranges and ratios in Markdown; ratios are to the last program.

    Args:
        programs: They have run.
        dsc: Mean DSC on the validation CTs of some of them, by name.
    """
    last = programs[-1].median
    lines = [
        "| program | seconds, median (range) | times faster than the last row | peak MiB | DSC |",
        "|---|---|---|---|---|",
    ]
    for one in programs:
        spread = f"{min(one.seconds):.2f} to {max(one.seconds):.2f}"
        score = f"{dsc[one.name]:.3f}" if one.name in dsc else ""
        ratio = f"{last / one.median:.1f}"
        cells = (one.name, f"{one.median:.2f} ({spread})", ratio, f"{max(one.peak_mib):.0f}", score)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def steps_table(programs: list[Program]) -> str:
    """Return the median seconds of each step in Markdown, a column per program."""
    shown = [one for one in programs if one.steps]
    names = list(dict.fromkeys(step for one in shown for step in one.steps[0]))
    lines = ["| step | " + " | ".join(one.name for one in shown) + " |"]
    lines.append("|---" * (len(shown) + 1) + "|")
    for step in names:
        found = [one.of_step(step) for one in shown]
        lines.append(f"| {step} | " + " | ".join(f"{value:.2f}" for value in found) + " |")
    rest = [one.median - statistics.median(sum(s.values()) for s in one.steps) for one in shown]
    lines.append("| start and rest | " + " | ".join(f"{value:.2f}" for value in rest) + " |")
    return "\n".join(lines)


def machine() -> str:
    """Return a line on the machine and the versions."""
    from importlib.metadata import PackageNotFoundError, version

    def of(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"no {package}"

    names = ("numpy", "scipy", "SimpleITK", "onnxruntime", "openvino", "isal")
    packages = ", ".join(map(of, names))
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), cpu)
    return f"{cpu}, {physical_cores()} cores, {platform.platform()}, {packages}"
