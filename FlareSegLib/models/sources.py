"""What can be imported: a model folder or its zip, an ONNX file, a trained nnU-Net or its zip."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.label_file import LABELS_JSON, write_labels
from FlareSegLib.base.model_file import MODEL_JSON
from FlareSegLib.base.zips import DAMAGED
from FlareSegLib.inference.model_import import CARD, check_entries, import_model
from FlareSegLib.models.json_file import read_json
from FlareSegLib.models.store import models_folder
from FlareSegLib.models.trained import Trained, label_set, read_trained, to_facts

PLANS, DATASET = "plans.json", "dataset.json"
_FOLD = re.compile(r"fold_(\d+|all)")
_CHUNK = 1 << 20
MOST_CHECKPOINT_BYTES = 8 * 2**30


@dataclass(frozen=True)
class Wanted:
    """What a user can say of a model from elsewhere."""

    name: str = ""
    """Its name from now on; empty: that of data set and configuration."""
    version: str = "1"
    configuration: str = ""
    """Of several that lie in the source, such as 3d_fullres."""
    folds: tuple[str, ...] = ()
    """Of a trained nnU-Net; empty: all that are there, but fold_all only if there is no other."""
    checkpoint: str = "checkpoint_final.pth"
    orientation: str = ""
    """Of all the images that it was trained on, such as RAS; empty: as nnU-Net reads them."""
    licence: str = ""
    citation: str = ""


def _nobody(_share: float) -> None:
    """Hear nothing."""


def holds_trained(source: Path) -> bool:
    """Return whether a folder or zip holds a trained nnU-Net, which has to be converted.

    A folder is looked at as deep as nnUNet_results is: data set, then configuration.
    """
    if source.is_dir():
        found = (path for stars in ("", "*/", "*/*/") for path in source.glob(stars + PLANS))
        return not (source / MODEL_JSON).exists() and next(found, None) is not None
    return source.is_file() and _holds_plans(source)


def import_from(
    source: Path,
    wanted: Wanted | None = None,
    into: Path | None = None,
    tell: Callable[[float], None] = _nobody,
) -> Path:
    """Import a model from whatever it comes as; return its folder.

    Args:
        source: A model folder or a zip of one; an ONNX file with model.json beside it; a trained
            nnU-Net v2 (Dataset/Trainer__Plans__configuration, or a folder above it), or a zip of
            nnUNetv2_export_model_to_zip.
        wanted: What is to be different from what the source says.
        into: Where imported models are kept; None: models_folder().
        tell: Takes the share of the conversion of a trained nnU-Net that is done, in [0, 1].

    Raises:
        ModelError: There is no model, or it is not safe, or FlareSeg cannot run it.
    """
    wanted, into = wanted or Wanted(), into or models_folder()
    if not source.exists():
        raise ModelError(f"{source} is not there: give a folder, a zip or an ONNX file")
    with tempfile.TemporaryDirectory(prefix="flareseg-import-") as temporary:
        place = Path(temporary)
        if source.suffix.lower() == ".onnx":
            return import_model(_beside_onnx(source, place), into)
        if source.is_file() and _holds_plans(source):
            source = _unpacked(source, place / "unpacked", wanted)
        if source.is_dir() and not (source / MODEL_JSON).exists():
            trained = _choose(source, wanted)
            return import_model(_converted(trained, wanted, place / "model", tell), into)
        return import_model(source, into)


def _beside_onnx(source: Path, place: Path) -> Path:
    """Return a model folder made of an ONNX file and the model.json beside it."""
    facts = read_json(source.parent / MODEL_JSON)
    shutil.copyfile(source, place / source.name)
    found = hashlib.sha256((place / source.name).read_bytes()).hexdigest()
    facts = {"onnx": source.name, "sha256": found, **facts}
    (place / MODEL_JSON).write_text(json.dumps(facts), encoding="utf-8")
    for extra in (CARD, LABELS_JSON):
        if (source.parent / extra).is_file():
            shutil.copyfile(source.parent / extra, place / extra)
    return place


def _holds_plans(source: Path) -> bool:
    try:
        with zipfile.ZipFile(source) as archive:
            names = [PurePosixPath(name).name for name in archive.namelist()]
    except DAMAGED:
        return False
    return PLANS in names and MODEL_JSON not in names


def _unpacked(source: Path, place: Path, wanted: Wanted) -> Path:
    """Unpack what is needed of a zip of nnU-Net, below folder names that are checked."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            check_entries(entries, source)
            for one in entries:
                path = PurePosixPath(one.filename)
                if path.name not in (PLANS, DATASET, wanted.checkpoint):
                    continue
                if one.file_size > MOST_CHECKPOINT_BYTES:
                    raise ModelError(
                        f"{source} has {path.name} of {one.file_size} bytes: too large"
                    )
                target = place / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(one) as packed, target.open("xb") as file:
                    shutil.copyfileobj(packed, file, _CHUNK)
    except DAMAGED as error:
        said = " ".join(str(error).split())[:120]
        raise ModelError(f"{source} cannot be read ({said}): download it again") from error
    return place


def _choose(source: Path, wanted: Wanted) -> Trained:
    """Return the one configuration in a folder that is meant."""
    inside = [source / PLANS] if (source / PLANS).is_file() else sorted(source.rglob(PLANS))
    found = [path.parent for path in inside if path.parent.name.count("__") == 2]
    if wanted.configuration:
        found = [path for path in found if path.name.endswith(f"__{wanted.configuration}")]
    if not found:
        raise ModelError(
            f"{source} holds no model: give a FlareSeg model (with {MODEL_JSON}), or of a trained "
            "nnU-Net v2 the folder Trainer__Plans__configuration with plans.json, or its zip"
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ModelError(f"{source} holds {len(found)} models ({names}): choose --configuration")
    return read_trained(found[0])


def _converted(
    trained: Trained, wanted: Wanted, folder: Path, tell: Callable[[float], None]
) -> Path:
    """Write the model folder of a trained nnU-Net."""
    from FlareSegLib.models.nnunet import write_networks

    folder.mkdir()
    name = wanted.name or f"{trained.dataset_name}-{trained.parts[2]}"
    facts = to_facts(trained, name, wanted.version)
    folds = _folds(trained, wanted)
    files, axes = write_networks(trained, wanted.checkpoint, folds, folder, tell)
    facts["flips"] = _flips(axes, is_2d=facts["recipe"]["is_2d"])
    (first, more) = _checksums(files)
    facts |= {"onnx": first[0], "sha256": first[1], "more_onnx": more}
    facts |= {key: said for key in ("licence", "citation") if (said := getattr(wanted, key))}
    if wanted.orientation:
        facts["recipe"]["orientation"] = wanted.orientation.upper()
    (folder / MODEL_JSON).write_text(json.dumps(facts, indent=2), encoding="utf-8")
    write_labels(label_set(trained), folder)
    return folder


def _folds(trained: Trained, wanted: Wanted) -> tuple[str, ...]:
    """Return the folds to take: all numbered ones that are there, unless others are asked for."""
    if wanted.folds:
        return wanted.folds
    there = [
        match[1]
        for path in trained.folder.iterdir()
        if (match := _FOLD.fullmatch(path.name)) and (path / wanted.checkpoint).is_file()
    ]
    numbers = sorted((fold for fold in there if fold != "all"), key=int)
    if not there:
        raise ModelError(f"{trained.folder.name} has no fold_*/{wanted.checkpoint}: is it trained?")
    return tuple(numbers) or ("all",)


def _flips(axes: list[int], *, is_2d: bool) -> list[list[int]]:
    """Return all ways to mirror along these axes of the network, as axes (z, y, x) of a window."""
    moved = [axis + is_2d for axis in axes]
    return [list(some) for n in range(1, len(moved) + 1) for some in combinations(moved, n)]


def _checksums(files: dict[str, Path]) -> tuple[tuple[str, str], list[list[str]]]:
    found = [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in files.values()]
    return (found[0][0], found[0][1]), found[1:]
