"""The folder of a run: its config, where it came from, metrics as CSV and for TensorBoard."""

from __future__ import annotations

import csv
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from FlareSegLib.base.atomic import atomic, output_error
from training.config import Config, flat

PACKAGES = ("flareseg", "numpy", "SimpleITK", "onnxruntime", "openvino", "torch")


class RunFolder:
    """What a stage writes beside its results."""

    def __init__(self, config: Config, name: str) -> None:
        """Make work/name with config.json (as resolved) and one more entry in run.json.

        Of several processes only the first writes.
        """
        self._writer: object | None = None
        self.path = config.work / name
        if not is_main():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / "config.json", flat(config))
        path = self.path / "run.json"
        runs = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        write_json(path, [*runs, _origin(config)])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row to metrics.csv, tell TensorBoard (if installed) and print it.

        Rows of a step beyond the last checkpoint, which a resumed run makes again, are the same.
        """
        row = {"step": step, **{key: round(value, 5) for key, value in values.items()}}
        append_row(self.path / "metrics.csv", row)
        if writer := self._tensorboard():
            for key, value in values.items():
                writer.add_scalar(key, value, step)  # type: ignore[attr-defined]
            writer.flush()  # type: ignore[attr-defined]
        print(" ".join(f"{key} {value}" for key, value in row.items()), flush=True)

    def cut(self, step: int) -> None:
        """Drop the rows of metrics.csv that lie beyond a step: a resumed run makes them again."""
        if is_main():
            cut_rows(self.path / "metrics.csv", step)

    def _tensorboard(self) -> object | None:
        if self._writer is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:  # the package tensorboard is not installed: metrics.csv has it all
                return None
            self._writer = SummaryWriter(str(self.path / "tensorboard"))
        return self._writer


def is_main() -> bool:
    """Return whether this process writes: of those that torchrun starts, the first."""
    return os.environ.get("RANK", "0") == "0"


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Append a row to a CSV file; a new column rewrites the file with it.

    Raises:
        OutputError: The disk is full or refuses; the rows before are there.
    """
    rows: list[dict[str, object]] = []
    columns = list(row)
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            old = list(reader.fieldnames or [])
            if set(columns) <= set(old):
                columns = old
            else:
                rows, columns = list(reader), old + [c for c in columns if c not in old]
    if rows or not path.exists():
        write_rows(path, columns, [*rows, dict(row)])
        return
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, columns, restval="").writerow(row)
    except OSError as error:
        raise output_error(path, error) from error


def cut_rows(path: Path, step: int) -> None:
    """Drop the rows beyond a step, and one that a full disk or a kill has left half-written."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        whole = [row for row in reader if None not in row.values()]
    write_rows(path, list(reader.fieldnames or []), [r for r in whole if int(r["step"]) <= step])


def write_rows(path: Path, columns: list[str], rows: list[dict[str, object]]) -> None:
    """Write a CSV file wholly or not at all; what a row lacks is left empty."""
    with atomic(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, value: object) -> None:
    """Write JSON wholly or not at all."""
    with atomic(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _origin(config: Config) -> dict[str, object]:
    """Return where a run came from."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "seed": config.seed,
        "git_commit": _git("rev-parse", "HEAD"),
        "git_is_changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _git(*words: str) -> str:
    """Return what git says of the source tree; empty where there is no git."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
