"""The models of this computer: where they lie, and by what name they are asked for."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import MODEL_JSON, read_model_config
from FlareSegLib.base.paths import RESOURCES
from FlareSegLib.inference.model_import import import_model

VARIABLE = "FLARESEG_MODELS"
"""Environment variable with the folder of imported models."""
SHIPPED = RESOURCES / "Models"


def models_folder() -> Path:
    """Return where imported models are kept: $FLARESEG_MODELS, or a folder of the user."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return base / "flareseg" / "models"


def list_models(imported: Path | None = None) -> list[Path]:
    """Return the folders of all models: those that ship, then those that were imported.

    Args:
        imported: Where imported ones are; None: models_folder().
    """
    shipped = [folder for folder in _folders(SHIPPED) if _facts(folder)]  # one takes prompts
    return [*shipped, *_folders(imported or models_folder())]


def _folders(place: Path) -> list[Path]:
    return [path.parent for path in sorted(place.glob(f"*/{MODEL_JSON}"))]


def find_model(wanted: str | Path, imported: Path | None = None) -> Path:
    """Return the folder of a model.

    Args:
        wanted: Its folder, a zip file of it (which is imported), its name as in list_models(), or
            name@version; of several versions the last one imported is taken.
        imported: Where imported ones are; None: models_folder().

    Raises:
        ModelError: There is none; names those that there are.
    """
    path = Path(wanted)
    if path.is_dir():
        return path
    if path.is_file() and zipfile.is_zipfile(path):
        return import_model(path, imported or models_folder())
    name, _, version = str(wanted).partition("@")
    known = [(folder, _facts(folder)) for folder in list_models(imported)]
    found = [
        folder
        for folder, facts in known
        if facts and facts.name == name and version in ("", facts.version)
    ]
    if found:
        return max(found, key=lambda folder: folder.stat().st_mtime)
    names = ", ".join(dict.fromkeys(facts.name for _, facts in known if facts))
    raise ModelError(
        f"no model {str(wanted)!r}: give a model folder, a zip file, or one of {names} "
        "(`flareseg model list`)"
    )


def remove_model(wanted: str, imported: Path | None = None) -> Path:
    """Delete an imported model; return the folder that was.

    Raises:
        ModelError: There is none, or it ships with FlareSeg.
    """
    place = (imported or models_folder()).resolve()
    folder = find_model(wanted, imported).resolve()
    if folder.parent != place:
        raise ModelError(f"{wanted} was not imported ({folder}): delete its folder yourself")
    shutil.rmtree(folder)
    return folder


def export_model(wanted: str, target: Path, imported: Path | None = None) -> Path:
    """Write a model as a zip file, to be imported elsewhere; return the file.

    Raises:
        ModelError: There is none.
        OutputError: The file cannot be written.
    """
    folder = find_model(wanted, imported)
    with atomic(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            archive.write(path, f"{folder.name}/{path.name}")  # weights can hardly be packed
    return target


def _facts(folder: Path) -> ModelConfig | None:
    """Return the facts of a model, None if it is broken."""
    try:
        return read_model_config(folder)
    except ModelError:
        return None
