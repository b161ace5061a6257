"""Copy a model out of a folder or a zip file of a stranger; nothing else of it reaches the disk."""

from __future__ import annotations

import contextlib
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from FlareSegLib.base.confidence_file import CONFIDENCE_JSON
from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.label_file import LABELS_JSON, MOST_BYTES
from FlareSegLib.base.model_file import MODEL_JSON, MOST_JSON_BYTES, read_model_config
from FlareSegLib.base.zips import DAMAGED
from FlareSegLib.inference.network import MOST_ONNX_BYTES, read_checked

CARD = "MODEL_CARD.md"
MOST_ENTRIES = 1000
"""Of a zip file: a model has three."""
MOST_RATIO = 100
"""Of a packed file: weights can hardly be packed, a bomb can."""
_CHUNK = 1 << 20


def import_model(source: Path, into: Path) -> Path:
    """Copy a model into a folder of its own, named by name, version and checksum; return it.

    Args:
        source: A model folder, or a zip file that holds one.
        into: Where imported models are kept; made if it is not there.

    Raises:
        ModelError: There is no model, it is not safe, or its checksum is wrong; nothing is left.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as temporary:
        folder = Path(temporary) / "model"
        folder.mkdir()
        config = _copy_checked(source, folder)
        target = into / f"{config.name}-{config.version}-{config.sha256[:8]}"
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)
    return target


def _copy_checked(source: Path, folder: Path) -> ModelConfig:
    copy = _copy_from_folder if source.is_dir() else _copy_from_zip
    copy(source, MODEL_JSON, folder, MOST_JSON_BYTES)
    if _has(source, LABELS_JSON):
        copy(source, LABELS_JSON, folder, MOST_BYTES)
    config = read_model_config(folder)
    for name, sha256 in config.files.items():
        copy(source, name, folder, MOST_ONNX_BYTES)
        read_checked(folder / name, sha256)
    for name in (CARD, CONFIDENCE_JSON):
        with contextlib.suppress(ModelError):  # good manners, not a must
            copy(source, name, folder, MOST_JSON_BYTES)
    return read_model_config(folder)


def _has(source: Path, name: str) -> bool:
    if source.is_dir():
        return (source / name).exists()
    with zipfile.ZipFile(source) as archive:  # model.json was read from it
        return any(PurePosixPath(one).name == name for one in archive.namelist())


def _copy_from_folder(source: Path, name: str, folder: Path, most_bytes: int) -> None:
    path = source / name
    if not path.is_file() or path.stat().st_size > most_bytes:
        raise ModelError(
            f"{source} has no file {name} of at most {most_bytes >> 20} MiB: choose a model folder"
        )
    shutil.copyfile(path, folder / name)


def _copy_from_zip(source: Path, name: str, folder: Path, most_bytes: int) -> None:
    """Copy one file by its name, wherever it lies in the zip: no path of the zip is used."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            check_entries(entries, source)
            found = [one for one in entries if PurePosixPath(one.filename).name == name]
            if len(found) != 1 or found[0].file_size > most_bytes:
                raise ModelError(
                    f"{source} has {len(found)} files {name}, expected one of at most "
                    f"{most_bytes >> 20} MiB: choose the zip file of one model"
                )
            with archive.open(found[0]) as packed, (folder / name).open("xb") as file:
                shutil.copyfileobj(packed, file, _CHUNK)  # zipfile stops at file_size
    except DAMAGED as error:
        said = " ".join(str(error).split())[:120]
        raise ModelError(f"{source} cannot be read ({said}): download it again") from error


def check_entries(entries: list[zipfile.ZipInfo], source: Path) -> None:
    """Refuse an archive that tries something, even if it could do no harm here."""
    if len(entries) > MOST_ENTRIES:
        raise ModelError(f"{source} has {len(entries)} files: a model has three, choose its zip")
    for one in entries:
        parts = PureWindowsPath(one.filename)
        if parts.is_absolute() or parts.drive or parts.root or ".." in parts.parts:
            raise ModelError(f"{source} has the path {one.filename[:60]!r}: do not trust it")
        if stat.S_IFMT(one.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ModelError(f"{source} has a link, {one.filename[:60]!r}: do not trust it")
        if one.file_size > _CHUNK and one.file_size > MOST_RATIO * one.compress_size:
            raise ModelError(
                f"{source} has {one.filename[:60]!r}, which would unpack from {one.compress_size} "
                f"to {one.file_size} bytes: do not trust it"
            )
