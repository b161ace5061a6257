"""A CT that is read by a process of its own, for one that has the voxels alone.

What reading needs goes with the process that read: SimpleITK takes 92 MiB. A packed NIfTI file of
plain int16 is unpacked here meanwhile, and the process tells its grid. Other voxels come through a
file that is mapped, so that memory holds only those that were looked at, and may let go of them.
Nothing large is imported before the process has started: both take a while.
"""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from FlareSegLib.base import errors
from FlareSegLib.base.errors import ResourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from FlareSegLib.base.geometry import Grid, Volume
    from FlareSegLib.images.headers.checks import Header
    from FlareSegLib.images.safe_read import Mark

_ROOT = str(Path(__file__).resolve().parents[2])
_CHILD = f"import sys; sys.path.insert(0, {_ROOT!r}); from {__name__} import tell; tell"
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""On Windows: no window opens, and a Ctrl-C does not reach the process."""
_Asked = tuple[str, str, str | None, float]
"""CT, file for its voxels, series, HU offset."""


@dataclass(frozen=True)
class _Told:
    """What the process tells of a CT."""

    grid: Grid
    warnings: tuple[str, ...]
    header: Header | None = None
    """Of a file that is to be unpacked here and checked, if it still has the mark."""
    mark: Mark | None = None
    is_saved: bool = False
    """Whether the voxels, checked, are in their file."""


@contextmanager
def reading(
    path: Path, *, series: str | None = None, hu_offset: float = 0.0, folder: Path | None = None
) -> Iterator[Callable[[], Volume]]:
    """Start to read a CT as read_volume() does; yield what waits for it.

    That raises what read_volume() raises, and ResourceError if the system ended the process that
    reads. It ends with the block at the latest; a Ctrl-C at a terminal does not reach it.

    Args:
        path: See read_volume().
        series: See read_volume().
        hu_offset: See read_volume().
        folder: For voxels until they are mapped; None: that of temporary files. Has it no room,
            the CT is read here.
    """
    with _room(folder) as room:
        asked = (str(path), str(Path(room, "voxels.npy")), series, hu_offset)
        with subprocess.Popen(
            [sys.executable, "-c", f"{_CHILD}(*{asked!r})"],
            stdout=subprocess.PIPE,
            start_new_session=True,
            creationflags=_NO_WINDOW,
        ) as process:
            try:
                from FlareSegLib.images.safe_read import unpack_ahead

                unpack_ahead(path)
                yield lambda: _told(process, asked)
            finally:
                process.kill()


def _room(folder: Path | None) -> AbstractContextManager[str]:
    try:
        return TemporaryDirectory(prefix="flareseg-ct-", dir=folder, ignore_cleanup_errors=True)
    except OSError:
        return nullcontext(os.devnull)  # nothing can be saved there


def _told(process: subprocess.Popen[bytes], asked: _Asked) -> Volume:
    answer, _ = process.communicate()
    if process.returncode:
        raise ResourceError("the CT could not be read: close other programs")
    told = _heard(answer)
    path, voxels, series, hu_offset = asked
    volume = _unpacked(told, hu_offset) if told.header else _mapped(told, Path(voxels))
    if volume is None:
        from FlareSegLib.images.reading import read_volume

        volume = read_volume(Path(path), series=series, hu_offset=hu_offset)
    return volume


def _plain(value: Any) -> Any:
    """Return what JSON has no word for in words that it has."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, Path) else value.item()


def _heard(answer: bytes) -> _Told:
    """Return what the process told; raise what it could not.

    Raises:
        Exception: Of the kind, and with the words, of that in the process.
    """
    facts = _in_tuples(json.loads(answer))
    if "error" in facts:
        kind, said = facts["error"]
        raise getattr(errors, kind, getattr(builtins, kind, RuntimeError))(said)
    from FlareSegLib.base.geometry import Grid
    from FlareSegLib.images.headers.checks import Header

    grid, header = facts["grid"], facts["header"]
    facts["grid"] = Grid(**grid | {"nifti": bytes.fromhex(grid["nifti"])})
    if header:
        held = {name: bytes.fromhex(header[name]) for name in ("geometry", "stand_in")}
        facts["header"] = Header(**header | held | {"data": Path(header["data"])})
    return _Told(**facts)


def _in_tuples(value: Any) -> Any:
    """Return what JSON told, lists as tuples."""
    if isinstance(value, dict):
        return {key: _in_tuples(one) for key, one in value.items()}
    return tuple(map(_in_tuples, value)) if isinstance(value, list) else value


def _unpacked(told: _Told, hu_offset: float) -> Volume | None:
    """Return the CT in a packed file; None if ITK must read it, or it is not the same any more."""
    from FlareSegLib.base.geometry import Volume
    from FlareSegLib.images.checked import checked
    from FlareSegLib.images.safe_read import mark_of, unpacked

    assert told.header
    path = told.header.data
    array = unpacked(told.header)
    if array is None or mark_of(path) != told.mark:
        return None
    return checked(Volume(array, told.grid, told.warnings), path.name, hu_offset)


def _mapped(told: _Told, voxels: Path) -> Volume | None:
    """Return the CT whose voxels are in a file, which is removed; None if there was no room."""
    if not told.is_saved:
        return None
    import numpy as np

    from FlareSegLib.base.geometry import Volume

    # Windows can remove no file that is mapped.
    array = np.load(voxels, mmap_mode=None if sys.platform == "win32" else "r")
    voxels.unlink()
    return Volume(array, told.grid, told.warnings)


def tell(path: str, voxels: str, series: str | None, hu_offset: float) -> None:
    """Read a CT in a process of its own; tell what is known of it on stdout, or what is wrong."""
    try:
        told = asdict(_found(Path(path), voxels, series, hu_offset))
    except Exception as error:  # noqa: BLE001  told where the CT is wanted
        told = {"error": (type(error).__name__, str(error))}
    sys.stdout.write(json.dumps(told, default=_plain))
    sys.stdout.flush()
    os._exit(0)  # to take all libraries down in order takes 70 ms, for which somebody waits


def _found(path: Path, voxels: str, series: str | None, hu_offset: float) -> _Told:
    from FlareSegLib.images.reading import look, read_volume

    if not series and (seen := look(path)):
        header, grid, warnings, mark = seen
        return _Told(grid, warnings, header, mark)
    volume = read_volume(path, series=series, hu_offset=hu_offset)
    return _Told(volume.grid, volume.warnings, is_saved=_is_saved(volume.array, voxels))


def _is_saved(array: NDArray[np.generic], voxels: str) -> bool:
    import numpy as np

    try:
        np.save(voxels, array)
    except OSError:
        return False
    return True
