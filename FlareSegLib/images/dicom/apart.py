"""Have a child process open DICOM files that are not plain: readers are large, old and in C.

JPEG, JPEG 2000, JPEG-LS, RLE and deflated files may hold anything once unpacked, and a length in a
damaged file may be any. If one ends or hangs its reader, that is an InputError here, and the run
(or batch) goes on. Plain files never come here: see dicom_elements.is_plain().
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError, ResourceError
from FlareSegLib.base.resources import free_mib

_START_SECONDS, _FILE_SECONDS = 60.0, 1.0
"""A child gets this long, and this much more for each file: a slice takes 0.01 s."""
_HEADERS_MIB = 1024.0
"""Enough for headers, whatever a damaged one says."""
_CHILD = (
    "import sys; sys.path.insert(0, {!r}); from FlareSegLib.images.dicom.child import main; main()"
)
_EXPORT = "export the series again, as uncompressed DICOM"


def headers_apart(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the fields of dicom.Slice for those of the files that are images.

    Raises:
        InputError: The child ended or took too long.
    """
    facts, _ = _ask("headers", paths)
    headers: list[dict[str, Any]] = facts["headers"]
    return headers


def read_apart(paths: Sequence[Path], *, is_mixed: bool = False) -> sitk.Image:
    """Return the volume in the slices of a series; see header.image_of().

    Raises:
        InputError: It cannot be read, or the child ended or took too long.
        ResourceError: The child had too little memory.
    """
    facts, content = _ask("voxels", paths, is_mixed=is_mixed)
    array = np.frombuffer(content, facts["dtype"])
    if array.size != math.prod(facts["size"]):
        raise InputError(f"{_place(paths)} gave {array.size} voxels for {facts['size']}: {_EXPORT}")
    image = sitk.GetImageFromArray(array.reshape(facts["size"][::-1]))
    image.SetSpacing(facts["spacing"])
    image.SetOrigin(facts["origin"])
    image.SetDirection(facts["direction"])
    return image


def _ask(
    task: str, paths: Sequence[Path], *, is_mixed: bool = False
) -> tuple[dict[str, Any], bytes]:
    """Return what the child says in its first line, and the bytes after that."""
    code = _CHILD.format(str(Path(__file__).resolve().parents[3]))
    memory = min(free_mib(), _HEADERS_MIB if task == "headers" else math.inf)
    asked = {
        "task": task,
        "paths": [str(path.absolute()) for path in paths],
        "is_mixed": is_mixed,
        "memory_mib": None if math.isinf(memory) else memory,
    }
    seconds = _START_SECONDS + _FILE_SECONDS * len(paths)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{_place(paths)} took over {seconds:.0f} s to read: {_EXPORT}") from None
    if done.returncode:
        raise InputError(f"{_place(paths)} ends the reader of DICOM ({done.returncode}): {_EXPORT}")
    line, _, content = done.stdout.partition(b"\n")
    facts: dict[str, Any] = json.loads(line)
    if facts.get("memory"):
        raise ResourceError(f"{_place(paths)} does not fit into memory: close programs")
    if failed := facts.get("failed"):
        raise InputError(f"{_place(paths)} cannot be read ({failed}): {_EXPORT}")
    return facts, content


def _place(paths: Sequence[Path]) -> str:
    return paths[0].parent.name or str(paths[0].parent)
