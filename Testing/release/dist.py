"""Build sdist and wheel, install the wheel where nothing else is, and segment a phantom with it.

usage: python -m Testing.release.dist FOLDER

FOLDER gets the sdist and the wheel that was made from it. Needs the package index, for the tools
`build` and `pipx` and for what FlareSeg depends on.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

import SimpleITK as sitk

from Testing.phantoms import abdomen

ROOT = Path(__file__).parents[2]
NOT_OURS = (
    ".venv",
    ".hypothesis",
    "_cache",
    ".git/",
    "work/",
    "demo/",
    "__pycache__",
    ".nii",
    ".dcm",
)
"""Never in a package: caches, results, images of patients."""
PHANTOMS = ("/golden/", "/nnunet/expected/")
"""Where images may be."""


def build(folder: Path, tools: Path) -> tuple[Path, Path]:
    """Return the sdist, and the wheel that was built from it."""
    run(tools / "bin" / "python", "-m", "build", "--outdir", folder, ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def check_content(sdist: Path, wheel: Path) -> None:
    """Check that weights and README are in the wheel, and nothing that is not ours."""
    with tarfile.open(sdist) as archive:
        names = [one.name.partition("/")[2] for one in archive.getmembers()]
    packed = zipfile.ZipFile(wheel).namelist()
    found = [name for name in (*names, *packed) if not any(place in name for place in PHANTOMS)]
    wrong = [name for name in found if any(part in name for part in NOT_OURS)]
    assert not wrong, f"in the packages, but not ours: {wrong[:5]}"
    (metadata,) = (name for name in packed if name.endswith("/METADATA"))
    links = re.findall(r"\]\(([^)]+)\)", zipfile.ZipFile(wheel).read(metadata).decode())
    assert links, "the page of an index has no README"
    assert all(link.startswith("https://") for link in links), links
    models = [name for name in packed if name.endswith("model.onnx")]
    assert models, "the wheel has no weights"
    assert all(name.startswith(("FlareSegLib/", "flareseg-")) for name in packed), packed


def new_venv(folder: Path, *packages: object) -> Path:
    """Return a new environment with some packages and nothing else."""
    venv.create(folder, with_pip=True, clear=True)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages)
    return folder


def run(*words: object, folder: Path | None = None) -> str:
    """Return what a command says; it must end well. It cannot see this repository."""
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done.stdout


def segment_a_phantom(command: Path, folder: Path) -> dict[str, object]:
    """Return the report of a run of the installed command with the weights that ship."""
    volume = abdomen((64, 60, 76), (5.0, 5.0, 5.0), noise_hu=10)[0]
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    sitk.WriteImage(image, str(folder / "ct.nii.gz"))
    run(command, "segment", "ct.nii.gz", "-o", "organs.seg.nrrd", folder=folder)
    report: dict[str, object] = json.loads((folder / "organs.report.json").read_text("utf-8"))
    return report


def main(target: Path) -> None:
    """Do it all; say what was found."""
    target.mkdir(parents=True, exist_ok=True)
    for old in (*target.glob("*.whl"), *target.glob("*.tar.gz")):
        old.unlink()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        tools = new_venv(place / "tools", "build", "pipx")
        sdist, wheel = build(target.resolve(), tools)
        check_content(sdist, wheel)
        clean = new_venv(place / "clean", wheel)
        command = clean / "bin" / "flareseg"
        info = run(command, "info", folder=place)
        assert str(clean) in info, info
        report = segment_a_phantom(command, place)
        pipx = run(tools / "bin" / "pipx", "run", "--spec", wheel, "flareseg", "--version")
    print(f"{sdist.name} {sdist.stat().st_size} bytes, {wheel.name} {wheel.stat().st_size} bytes")
    print(f"from the wheel: model {report['run']['model']['name']}, pipx run: {pipx.strip()}")  # type: ignore[index]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
