"""Models on this computer: the one that ships, and those that were imported from a file."""

import contextlib
import shutil
import tempfile
import zipfile
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from FlareSegLib.config import ModelConfig, read_model_config
from FlareSegLib.errors import ModelError
from FlareSegLib.network import read_checked

CARD = "MODEL_CARD.md"
MOST_BYTES = 2**30
"""A larger file in a zip is no model of ours."""


def importedFolder() -> Path:
    """Return where imported models are kept: beside Slicer's settings, for all its versions."""
    return Path(slicer.app.slicerUserSettingsFilePath).parent / "FlareSeg" / "Models"


def importedModels() -> list[Path]:
    """Return the folders of the imported models."""
    return sorted(path.parent for path in importedFolder().glob("*/model.json"))


def importModel(source: Path) -> Path:
    """Copy a model out of a folder or a zip file; return its folder. No network is needed.

    Raises:
        ModelError: There is no model, or its network does not have the checksum in model.json.
    """
    importedFolder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=importedFolder()) as temporary:
        folder = Path(temporary) / "model"
        folder.mkdir()
        config = _copyChecked(source, folder)
        target = importedFolder() / f"{config.name}-{config.version}-{config.sha256[:8]}"
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)
    return target


def removeModel(folder: Path) -> None:
    """Delete an imported model.

    Raises:
        ValueError: It is not one of those that were imported.
    """
    if folder not in importedModels():
        raise ValueError(f"{folder} was not imported")
    shutil.rmtree(folder)


def _copyChecked(source: Path, folder: Path) -> ModelConfig:
    copy = _copyFromFolder if source.is_dir() else _copyFromZip
    copy(source, "model.json", folder)
    config = read_model_config(folder)
    if Path(config.onnx).name != config.onnx:
        raise ModelError(f"{source}: model.json names a file in another folder ({config.onnx})")
    copy(source, config.onnx, folder)
    read_checked(folder / config.onnx, config.sha256)
    with contextlib.suppress(ModelError):  # a card is good manners, not a must
        copy(source, CARD, folder)
    return config


def _copyFromFolder(source: Path, name: str, folder: Path) -> None:
    if not (source / name).is_file():
        raise ModelError(_("{source} has no {name}").format(source=source, name=name))
    shutil.copyfile(source / name, folder / name)


def _copyFromZip(source: Path, name: str, folder: Path) -> None:
    """Copy one file by its name, wherever it lies in the zip: no path of the zip is used."""
    try:
        with zipfile.ZipFile(source) as archive:
            found = [item for item in archive.infolist() if Path(item.filename).name == name]
            if len(found) != 1 or found[0].file_size > MOST_BYTES:
                text = _("{source} has {count} files {name}, expected one of at most 1 GiB")
                raise ModelError(text.format(source=source, count=len(found), name=name))
            with archive.open(found[0]) as packed, (folder / name).open("wb") as file:
                shutil.copyfileobj(packed, file)
    except (OSError, zipfile.BadZipFile) as error:
        text = _("{source} cannot be read: {error}").format(source=source, error=error)
        raise ModelError(text) from error
