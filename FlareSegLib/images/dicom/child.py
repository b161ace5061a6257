"""What the child process of apart.py runs: a task as JSON in, a line of JSON and voxels out."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from FlareSegLib.images.dicom.header import image_of, read_headers


def main() -> None:
    """Do the task on stdin."""
    asked = json.loads(sys.stdin.buffer.read())
    _limit_memory(asked["memory_mib"])
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    paths = [Path(path) for path in asked["paths"]]
    content = b""
    facts: dict[str, Any]
    try:
        if asked["task"] == "headers":
            facts = {"headers": [_plain(one) for one in read_headers(paths)]}
        else:
            facts, content = _voxels(image_of(paths, is_mixed=asked["is_mixed"]))
    except MemoryError:
        facts = {"memory": True}
    except RuntimeError as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        facts = {"memory": True} if "allocate memory" in str(error) else {"failed": lines[-1][:120]}
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _plain(one: Any) -> dict[str, object]:
    return {**dataclasses.asdict(one), "path": str(one.path)}


def _voxels(image: sitk.Image) -> tuple[dict[str, Any], bytes]:
    array = sitk.GetArrayViewFromImage(image)
    facts = {
        "dtype": array.dtype.str,
        "size": image.GetSize(),
        "spacing": image.GetSpacing(),
        "origin": image.GetOrigin(),
        "direction": image.GetDirection(),
    }
    return facts, array.tobytes()


def _limit_memory(mib: float | None) -> None:
    """Keep a small file that unpacks to a huge one from taking the memory of the machine."""
    try:
        import resource
    except ImportError:  # Windows
        return
    if mib is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = int((mib + 2048) * 2**20)  # 2 GiB of address space for the libraries themselves
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
