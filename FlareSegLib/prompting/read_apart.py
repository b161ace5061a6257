"""A CT that is read by a process of its own, for one that stays: it has the voxels alone.

What reading needs goes with the process that read: SimpleITK takes 92 MiB. The voxels come through
a file that is mapped, so that memory holds only those that were looked at, and may let go of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from FlareSegLib.base.errors import FlareSegError, ResourceError
from FlareSegLib.base.geometry import Volume

VOXELS = "voxels.npy"


def begin_to_read(path: Path) -> Callable[[], Volume]:
    """Start to read a CT as read_volume() does; return what waits for it.

    That raises FlareSegError: what read_volume() raises; or there is no room beside the file for
    its voxels, or no memory to read it.
    """
    context = get_context("spawn")
    told, tell = context.Pipe(duplex=False)
    voxels = path.with_name(VOXELS)
    process = context.Process(target=_read, args=(path, voxels, tell), daemon=True)
    process.start()
    tell.close()

    def finish() -> Volume:
        try:
            found = told.recv()
        except EOFError as error:
            raise ResourceError("the CT could not be read: close other programs") from error
        finally:
            process.join()
        if isinstance(found, FlareSegError):
            raise found
        grid, warnings = found
        # Windows can remove no file that is mapped.
        array = np.load(voxels, mmap_mode=None if sys.platform == "win32" else "r")
        voxels.unlink()
        return Volume(array, grid, warnings)

    return finish


def _read(path: Path, voxels: Path, tell: Connection) -> None:
    """Read a CT in a process of its own; tell its grid, or what is wrong."""
    from FlareSegLib.images.reading import read_volume  # SimpleITK: here alone

    try:
        volume = read_volume(path)
        np.save(voxels, volume.array)
        tell.send((volume.grid, volume.warnings))
    except FlareSegError as error:
        tell.send(error)
    except OSError as error:
        tell.send(ResourceError(f"{voxels.parent} has no room for the CT ({error}): make some"))
