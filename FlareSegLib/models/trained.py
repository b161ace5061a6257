"""What a trained nnU-Net v2 says of itself in plans.json and dataset.json, as facts of a model.

Pure: JSON in, JSON out. What FlareSeg cannot do as nnU-Net does is refused here, with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.label_file import default_labels
from FlareSegLib.base.labels import LabelSet, Organ, plain
from FlareSegLib.models.json_file import read_json

_NORMALIZATIONS = {
    "CTNormalization": "clip",
    "ZScoreNormalization": "z_score",
    "RescaleTo01Normalization": "to_0_1",
    "NoNormalization": "none",
}
_ORIENTATIONS = {
    "SimpleITKIO": "stored",
    "NibabelIO": "stored",
    "NibabelIOWithReorient": "RAS",
    "SimpleITKIOWithReorient": "RAS",
}
_SPLINES, _LINEAR = "resample_data_or_seg_to_shape", "resample_torch_fornnunet"


@dataclass(frozen=True)
class Trained:
    """The folder of a configuration that nnU-Net trained: Trainer__Plans__configuration."""

    folder: Path
    plans: dict[str, Any]
    dataset: dict[str, Any]

    @property
    def parts(self) -> tuple[str, str, str]:
        """Trainer, plans and configuration, from the name of the folder."""
        trainer, plans, configuration = self.folder.name.split("__")
        return trainer, plans, configuration

    @property
    def configuration(self) -> dict[str, Any]:
        """The configuration of the plans, with what it inherits."""
        wanted: str | None = self.parts[2]
        found: dict[str, Any] = {}
        known = self.plans["configurations"]
        while wanted:
            found = {**known[wanted], **found}
            wanted = known[wanted].get("inherits_from")
        return found

    @property
    def dataset_name(self) -> str:
        """Such as Dataset003_Liver."""
        return str(self.plans["dataset_name"])


def read_trained(folder: Path) -> Trained:
    """Return what lies in the folder of a configuration.

    Raises:
        ModelError: Files are missing or damaged, or it is what FlareSeg does not do.
    """
    trained = Trained(folder, read_json(folder / "plans.json"), read_json(folder / "dataset.json"))
    try:
        _check_supported(trained)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelError(
            f"{folder.name} has plans.json or dataset.json without {error}: it is not of nnU-Net v2"
        ) from error
    return trained


def _check_supported(trained: Trained) -> None:
    """Refuse what would give other labels than nnU-Net does."""
    facts, name = trained.configuration, f"{trained.dataset_name} {trained.parts[2]}"
    channels = trained.dataset.get("channel_names") or trained.dataset["modality"]
    schemes, reader = facts["normalization_schemes"], trained.plans["image_reader_writer"]
    reasons = {
        "is a cascade, whose second stage needs the labels of the first: import the 3d_lowres or "
        "3d_fullres configuration": bool(facts.get("previous_stage")),
        f"takes {len(channels)} images ({', '.join(map(str, channels.values()))}), and FlareSeg "
        "gives one": len(channels) != 1,
        f"normalises by {schemes[0]}, which FlareSeg does not know": schemes[0]
        not in _NORMALIZATIONS,
        f"reads images by {reader}, made for pictures and not for scans": reader
        not in _ORIENTATIONS,
        f"was preprocessed by {facts['preprocessor_name']}, not by nnU-Net's own "
        "DefaultPreprocessor": facts["preprocessor_name"] != "DefaultPreprocessor",
        "resamples by a function that FlareSeg does not know": _resampling(facts) is None,
        f"has {len(_classes(trained))} classes, at most 254 are possible": len(_classes(trained))
        > 254,
        "has a label manager of its own": trained.plans.get("label_manager", "LabelManager")
        != "LabelManager",
    }
    for reason, is_so in reasons.items():
        if is_so:
            raise ModelError(f"{name} {reason}")


def _resampling(facts: dict[str, Any]) -> dict[str, Any] | None:
    """Return the orders of a recipe; None if they are not known."""
    found: dict[str, Any] = {}
    for which, prefix in (("data", ""), ("probabilities", "logits_")):
        kind, words = facts[f"resampling_fn_{which}"], facts[f"resampling_fn_{which}_kwargs"]
        if kind == _SPLINES:
            found |= {f"{prefix}order": words["order"], f"{prefix}order_z": words["order_z"]}
        elif kind == _LINEAR:
            found |= {f"{prefix}order": 1, f"{prefix}order_z": 0}
        else:
            return None
        separate = words.get("force_separate_z")
        if found.setdefault("separate_z", separate) != separate:
            return None
    return found if max(found["logits_order"], found["logits_order_z"]) <= 1 else None


def _classes(trained: Trained) -> list[tuple[str, int]]:
    """Return name and value in the labelmap of each class, in the order of the logits."""
    labels = {name: value for name, value in trained.dataset["labels"].items() if name != "ignore"}
    order = trained.dataset.get("regions_class_order")
    named = [(name, value) for name, value in labels.items() if name != "background"]
    if has_regions(trained):
        return [(name, int(v)) for (name, _), v in zip(named, order or [], strict=True)]
    plain = [(name, int(v[0] if isinstance(v, list) else v)) for name, v in named]
    return sorted(plain, key=lambda one: one[1])


def has_regions(trained: Trained) -> bool:
    """Return whether labels are regions that may lie in each other."""
    labels = trained.dataset["labels"].values()
    return any(isinstance(value, list) and len(value) > 1 for value in labels)


def classes(trained: Trained) -> list[tuple[str, str, int]]:
    """Return key, name and value of each class, in the order of the logits; keys differ."""
    found: dict[str, tuple[str, str, int]] = {}
    for name, value in _classes(trained):
        key = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or f"label_{value}"
        key = key if key not in found else f"{key}_{value}"
        found[key] = (key, name, value)
    return list(found.values())


def to_facts(trained: Trained, name: str, version: str) -> dict[str, Any]:
    """Return model.json without what the networks add: their files and checksums."""
    facts = trained.configuration
    scheme = _NORMALIZATIONS[facts["normalization_schemes"][0]]
    is_2d = len(facts["patch_size"]) == 2
    if scheme == "z_score" and facts["use_mask_for_norm"][0]:
        scheme = "z_score_in_mask"
    spacing = list(facts["spacing"])
    if is_2d:
        spacing = [trained.plans["original_median_spacing_after_transp"][0], *spacing]
    return {
        "name": name,
        "version": version,
        "window": [1, *facts["patch_size"]] if is_2d else facts["patch_size"],
        "spacing_mm": spacing,
        **_intensities(trained, scheme),
        "labels": [key for key, _, _ in classes(trained)],
        "modality": _modality(trained, scheme),
        "recipe": {
            "normalization": scheme,
            "axes": trained.plans["transpose_forward"],
            "orientation": _ORIENTATIONS[trained.plans["image_reader_writer"]],
            "is_2d": is_2d,
            "has_regions": has_regions(trained),
            **(_resampling(facts) or {}),
        },
        "source": f"nnU-Net v2, {trained.dataset_name}/{trained.folder.name}",
        "licence": _text(trained.dataset, "licence", "license", "release_license"),
        "citation": _text(trained.dataset, "citation", "reference"),
    }


def _intensities(trained: Trained, scheme: str) -> dict[str, Any]:
    """Return hu_range, hu_mean and hu_sd where they count."""
    if scheme != "clip":
        return {}
    known = trained.plans["foreground_intensity_properties_per_channel"]["0"]
    return {
        "hu_range": [known["percentile_00_5"], known["percentile_99_5"]],
        "hu_mean": known["mean"],
        "hu_sd": max(known["std"], 1e-8),
    }


def _modality(trained: Trained, scheme: str) -> str:
    """Return CT if its values are HU, else what the data set calls its channel."""
    channels = trained.dataset.get("channel_names") or trained.dataset["modality"]
    name = str(next(iter(channels.values())))
    return "CT" if scheme == "clip" or name.casefold() == "ct" else name


def _text(dataset: dict[str, Any], *keys: str) -> str:
    return next((str(dataset[key])[:500] for key in keys if dataset.get(key)), "")


def label_set(trained: Trained) -> LabelSet:
    """Return the labels; what FlareSeg knows by its key gets its color, code and side."""
    return LabelSet(tuple(_organ(*one) for one in sorted(classes(trained), key=lambda one: one[2])))


def _organ(key: str, name: str, value: int) -> Organ:
    found = plain(value, key, re.sub(r"[\\~^|]|\W+", " ", name).strip()[:64] or key)
    known = default_labels().by_key.get(key)
    if known is None:
        return found
    codes = {"snomed": known.snomed, "snomed_meaning": known.snomed_meaning, "side": known.side}
    return replace(found, name=known.name, color=known.color, **codes)  # type: ignore[arg-type]
