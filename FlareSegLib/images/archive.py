"""A zip file as input, as it comes out of mail and web portals: a DICOM series, or one image.

No path of the zip reaches the disk, only the last part of a name behind a number.
"""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from FlareSegLib.base.errors import InputError, ResourceError
from FlareSegLib.base.zips import DAMAGED
from FlareSegLib.images.headers.checks import ZIP, image_format, may_start_dicom

MOST_FILES = 20_000
"""Of a zip file: the longest series have a few thousand."""
MOST_BYTES = 8 * 2**30
"""Of all files, unpacked."""
_IMAGES = (".nii", ".nii.gz", ".nrrd", ".mha")
_CHUNK = 1 << 20


def is_zip(path: Path) -> bool:
    """Return whether path is a zip file by its first bytes."""
    with suppress(OSError):  # who reads it says what is wrong
        return path.is_file() and image_format(path) == ZIP
    return False


@contextmanager
def unzipped(source: Path) -> Iterator[Path]:
    """Yield source, or what a zip file holds, unpacked into a folder that is removed afterwards.

    Args:
        source: Any input. Of a zip file the folder has the name, so that messages do.

    Yields:
        source itself; the image of a zip file with one image; else the folder of its files.

    Raises:
        InputError: The zip file is encrypted, damaged, empty, too large, or has several images.
        ResourceError: There is no room on the disk of temporary files.
    """
    if not is_zip(source):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="flareseg-zip-") as temporary:
        folder = Path(temporary, source.stem)
        folder.mkdir()
        try:
            _unpack(source, folder)
        except DAMAGED as error:
            said = " ".join(str(error).split())[:120]
            raise InputError(
                f"{source.name} cannot be unpacked ({said}): copy or download it again"
            ) from error
        yield _only_image(source, folder) or folder


def starts(source: Path, count: int) -> Iterator[bytes]:
    """Yield so many bytes of each DICOM file in a zip file, as far as it can be unpacked."""
    with suppress(*DAMAGED), zipfile.ZipFile(source) as archive:
        for one in filter(_is_wanted, archive.infolist()):
            with archive.open(one) as packed:
                start = packed.read(count)
            if start[128:132] == b"DICM" or may_start_dicom(start):
                yield start


def _unpack(source: Path, folder: Path) -> None:
    with zipfile.ZipFile(source) as archive:
        entries = [one for one in archive.infolist() if _is_wanted(one)]
        _check(entries, source, folder)
        for number, one in enumerate(entries):
            with archive.open(one) as packed, _target(folder, number, one).open("xb") as file:
                shutil.copyfileobj(packed, file, _CHUNK)  # zipfile stops at file_size


def _is_wanted(one: zipfile.ZipInfo) -> bool:
    """Return whether an entry is a plain file that nobody hid."""
    parts = PurePosixPath(one.filename.replace("\\", "/")).parts
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts if part != "..")
    is_plain = stat.S_IFMT(one.external_attr >> 16) in (0, stat.S_IFREG)
    return bool(one.filename) and is_plain and not one.is_dir() and not is_hidden


def _check(entries: list[zipfile.ZipInfo], source: Path, folder: Path) -> None:
    size = sum(one.file_size for one in entries)
    if not entries:
        raise InputError(f"{source.name} holds no file: give a zip file with a CT")
    if any(one.flag_bits & 1 for one in entries):
        raise InputError(
            f"{source.name} is encrypted: unpack it with its password, and give the folder"
        )
    if len(entries) > MOST_FILES or size > MOST_BYTES:
        raise InputError(
            f"{source.name} holds {len(entries)} files of {size / 2**30:.1f} GiB, at most "
            f"{MOST_FILES} and {MOST_BYTES / 2**30:.0f} GiB are unpacked: unpack it yourself, "
            "and give the folder"
        )
    free = shutil.disk_usage(folder).free
    if size > free:
        raise ResourceError(
            f"{source.name} needs {size / 2**20:.0f} MiB unpacked, and {folder.parent.parent} has "
            f"{free / 2**20:.0f} MiB: make room there, or set TMPDIR to another disk"
        )


def _target(folder: Path, number: int, one: zipfile.ZipInfo) -> Path:
    """Return where an entry goes: a number before it keeps names apart and harmless."""
    name = PurePosixPath(one.filename.replace("\\", "/")).name
    return folder / f"{number:05d}_{re.sub(r'[^A-Za-z0-9._-]', '_', name)[-80:]}"


def _only_image(source: Path, folder: Path) -> Path | None:
    """Return the image of a zip file that holds one; None: it holds DICOM files, or no image."""
    images = [path for path in folder.iterdir() if path.name.lower().endswith(_IMAGES)]
    if len(images) > 1:
        raise InputError(
            f"{source.name} holds {len(images)} images: unpack it, and give one of them, or the "
            "folder to flareseg batch"
        )
    return images[0].rename(folder / images[0].name.split("_", 1)[1]) if images else None
