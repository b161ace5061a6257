"""Models on this computer: the one that ships, and those that were added."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.extras import EXTRAS
from FlareSegLib.base.label_file import default_labels
from FlareSegLib.base.labels import LabelSet
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.paths import DEFAULT_MODEL
from FlareSegLib.models.sources import import_from
from FlareSegUI import Packages
from FlareSegUI.RunFiles import MADE, MODEL


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

    No network is needed. A trained nnU-Net has to be converted first: Job.startConversion().

    Raises:
        ModelError: There is no model, it is not safe, or its checksum is wrong.
    """
    return import_from(source, into=importedFolder())


def whyNotConvert() -> str | None:
    """Return why a trained nnU-Net cannot be converted by Slicer's Python, and where it can be."""
    names = [Packages.Wanted(package).name for package in EXTRAS["nnunet"]]
    missing = [name for name in names if find_spec(name) is None]
    if not missing:
        return None
    return _(
        "This is a trained nnU-Net. It must be converted once, which needs {missing}; this Slicer "
        "does not have them. On any computer with Python and a copy of FlareSeg:\n\n"
        "pip install '.[nnunet]'\n"
        "flareseg model import THE_FOLDER_OR_ZIP --name my-model\n"
        "flareseg model export my-model -o my-model.zip\n\n"
        "Then add my-model.zip here; it runs without them."
    ).format(missing=", ".join(missing))


def askToConvert(folder: Path, source: Path) -> None:
    """Write into the folder of a run what the worker is to convert."""
    facts = {"source": str(source.resolve()), "into": str(importedFolder())}
    (folder / MODEL).write_text(json.dumps(facts), encoding="utf-8")


def converted(folder: Path) -> Path:
    """Return the folder of the model that the worker made."""
    return Path((folder / MADE).read_text(encoding="utf-8"))


def removeModel(folder: Path) -> None:
    """Delete an imported model.

    Raises:
        ValueError: It is not one of those that were imported.
    """
    if folder not in importedModels():
        raise ValueError(f"{folder} was not imported")
    shutil.rmtree(folder)
