"""Packages that only some work needs: which, and how to get them.

FlareSeg is in no package index yet, so `pip install flareseg[...]` would find nothing: messages
name the packages themselves, which works from a copy, from a wheel and in 3D Slicer alike.
"""

from importlib.util import find_spec

from FlareSegLib.base.errors import OutputError

EXTRAS = {
    "scipy": ("scipy>=1.12",),
    "completion": ("shtab>=1.7",),
    "preview": ("matplotlib>=3.8",),
    "openvino": ("openvino>=2024.4",),
    "speed": ("isal>=1.6",),
    "dicom": ("highdicom>=0.28", "pydicom>=3.0"),
    "view": ("trame-slicer>=2.0", "slicer-core>=5.11", "slicer-layer-dm>=2.0", "trame-vtk>=2.11"),
    "nnunet": ("torch>=2.4", "nnunetv2>=2.5", "onnx>=1.16", "onnxscript>=0.1"),
    "cluster": ("dask[distributed]>=2024.8",),
    "mesh": ("vtk>=9.3",),
    "parquet": ("pyarrow>=15.0",),
}
"""By extra, as in pyproject.toml: a test holds the two together."""


def how_to_get(extra: str) -> str:
    """Return the command that installs what an extra needs."""
    return "pip install " + " ".join(f"'{package}'" for package in EXTRAS[extra])


def check(extra: str, module: str, what: str) -> None:
    """Check that a package of an extra is there.

    Args:
        extra: Key of EXTRAS.
        module: What is imported of it.
        what: What needs it, for people.

    Raises:
        OutputError: It is not; says how to get it.
    """
    if find_spec(module) is None:
        raise OutputError(f"{what} needs {module}, which is not installed: {how_to_get(extra)}")
