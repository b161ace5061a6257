"""Models on this computer: the one that ships, and those that were imported from a file."""

import shutil
from pathlib import Path

import slicer

from FlareSegLib.base.config import read_model_config
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.label_file import default_labels
from FlareSegLib.base.labels import LabelSet
from FlareSegLib.base.paths import DEFAULT_MODEL
from FlareSegLib.models.sources import import_from


def labelsOf(folder: str | Path | None) -> LabelSet:
    """Return the organs of a model; those of the one that ships for none, and for a broken one."""
    try:
        return read_model_config(Path(folder or DEFAULT_MODEL)).label_set
    except ModelError:  # Checks.whyNot says it
        return default_labels()


def tellsDoubt(folder: str | Path | None) -> bool:
    """Return whether a model tells how unsure it is: one with a recipe of its own does not."""
    try:
        return read_model_config(Path(folder or DEFAULT_MODEL)).recipe is None
    except ModelError:
        return True


def importedFolder() -> Path:
    """Return where imported models are kept: beside Slicer's settings, for all its versions."""
    return Path(slicer.app.slicerUserSettingsFilePath).parent / "FlareSeg" / "Models"


def importedModels() -> list[Path]:
    """Return the folders of the imported models."""
    return sorted(path.parent for path in importedFolder().glob("*/model.json"))


def importModel(source: Path) -> Path:
    """Take over a model from a folder, a zip or an ONNX file; return its folder.

    No network is needed. A trained nnU-Net is converted if torch and nnunetv2 are installed.

    Raises:
        ModelError: There is no model, it is not safe, or its checksum is wrong.
    """
    return import_from(source, into=importedFolder())


def removeModel(folder: Path) -> None:
    """Delete an imported model.

    Raises:
        ValueError: It is not one of those that were imported.
    """
    if folder not in importedModels():
        raise ValueError(f"{folder} was not imported")
    shutil.rmtree(folder)
