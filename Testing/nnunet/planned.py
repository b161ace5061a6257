"""nnU-Nets of usual size that nobody trained: planned by nnunetv2's planners, saved by its trainer.

A planner looks at no image, but at the fingerprint of a data set: sizes, spacings, intensities. So
it plans for data sets that are not there. Weights are nnU-Net's random ones; the last layer can be
fitted to a phantom, so that labels are areas and no speckle.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Zyx, ZyxMm
from Testing.nnunet.train import prepare
from Testing.nnunet.worlds import ORGANS
from Testing.phantoms import abdomen, save

LABELS = {"background": 0, "liver": 1, "spleen": 2, "kidneys": 3, "aorta": 4}
CT_VALUES = {
    "mean": 110.0, "std": 60.0, "percentile_00_5": -160.0, "percentile_99_5": 300.0,
    "min": -1024.0, "max": 2000.0, "median": 100.0,
}  # fmt: skip
TRAINED = 20
"""Images that the data set is said to have."""
STRENGTH = 8.0
"""Of fitted logits: sure where the network tells classes apart."""


@dataclass(frozen=True)
class Wish:
    """What a network is planned for."""

    number: int
    name: str
    shape: Zyx
    """Of each image of the data set, as its files have it."""
    spacing_mm: ZyxMm
    planner: str = "ExperimentPlanner"
    configuration: str = "3d_fullres"
    channel: str = "CT"
    patch: tuple[int, ...] = ()
    """In the place of the planned one."""

    @property
    def dataset(self) -> str:
        """Name of the folder of the data set."""
        return f"Dataset{self.number:03}_{self.name}"


def plan(wish: Wish, work: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return plans.json and dataset.json as nnunetv2 writes them for such a data set."""
    prepare(work)
    import nnunetv2
    from nnunetv2.experiment_planning.plan_and_preprocess_api import plan_experiment_dataset
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    raw, done = (work / place / wish.dataset for place in ("nnUNet_raw", "nnUNet_preprocessed"))
    for folder in (raw / "imagesTr", raw / "labelsTr", done):
        folder.mkdir(parents=True, exist_ok=True)
    volume, truth = abdomen((8, 8, 8), (40.0, 40.0, 40.0))
    save(volume, raw / "imagesTr/case_0_0000.nii.gz")  # tells the planner which reader can read it
    save(truth, raw / "labelsTr/case_0.nii.gz")
    dataset = {
        "channel_names": {"0": wish.channel},
        "labels": LABELS,
        "numTraining": TRAINED,
        "file_ending": ".nii.gz",
    }
    fingerprint = {
        "spacings": [wish.spacing_mm] * TRAINED,
        "shapes_after_crop": [wish.shape] * TRAINED,
        "foreground_intensity_properties_per_channel": {"0": CT_VALUES},
        "median_relative_size_after_cropping": 1.0,
    }
    (raw / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    (done / "dataset_fingerprint.json").write_text(json.dumps(fingerprint), encoding="utf-8")
    place = str(Path(nnunetv2.__path__[0]) / "experiment_planning")
    planner = recursive_find_python_class(place, wish.planner, "nnunetv2.experiment_planning")
    _, name = plan_experiment_dataset(wish.number, planner)
    plans = json.loads((done / f"{name}.json").read_text(encoding="utf-8"))
    if wish.patch:
        plans["configurations"][wish.configuration]["patch_size"] = list(wish.patch)
    return plans, dataset


def untrained(wish: Wish, work: Path, *, fitted: bool = True) -> Path:
    """Return the folder of a configuration with random weights, as after a training.

    Args:
        wish: What is planned for.
        work: Holds nnU-Net's folders.
        fitted: The last layer tells the organs of a phantom.
    """
    plans, dataset = plan(wish, work)
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    data = plans["configurations"][wish.configuration]["data_identifier"]
    (work / "nnUNet_preprocessed" / wish.dataset / data).mkdir(exist_ok=True)
    (work / "nnUNet_preprocessed" / wish.dataset / data / "case_0.b2nd").touch()  # its kind is read
    torch.manual_seed(wish.number)
    facts = {**plans, "continue_training": False}
    trainer = nnUNetTrainer(facts, wish.configuration, 0, dataset, torch.device("cpu"))
    trainer.initialize()
    trainer.inference_allowed_mirroring_axes = (0, 1, 2)  # as its training would have set them
    if fitted:
        _fit(trainer.network, tuple(trainer.configuration_manager.patch_size), wish)
    folder = Path(trainer.output_folder_base)
    for name, content in (("plans.json", plans), ("dataset.json", dataset)):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    return folder


def _fit(network: Any, patch: tuple[int, ...], wish: Wish) -> None:
    """Fit the last layer (1 x 1 x 1) to the organs of a phantom, by least squares."""
    import torch

    image, truth = _window(patch, wish)
    last, seen = network.decoder.seg_layers[-1], []
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0][0]))
    with torch.inference_mode():
        network.eval()(torch.from_numpy(image)[None, None])
    hook.remove()
    features = seen[0].flatten(1).T.double().numpy()
    features = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    wanted = np.eye(len(LABELS))[truth.ravel()]
    rows = 1 / np.bincount(truth.ravel(), minlength=len(LABELS))[truth.ravel()]  # classes alike
    squares = features.T @ (features * rows[:, None])
    squares += 1e-6 * np.trace(squares) * np.eye(len(squares))
    found = STRENGTH * np.linalg.solve(squares, features.T @ (wanted * rows[:, None])).T
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(found[:, :-1].reshape(last.weight.shape)))
        last.bias.copy_(torch.from_numpy(found[:, -1]))


def _window(patch: tuple[int, ...], wish: Wish) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return a normalised phantom in the shape of a patch, and its labels."""
    spacing = tuple(320.0 / n for n in patch)
    volume, organs = abdomen(patch, spacing, noise_hu=15.0, seed=wish.number)
    truth = np.zeros(patch, np.uint8)
    for value, (ours,) in ORGANS.items():
        truth[organs.array == value] = ours
    low, high = CT_VALUES["percentile_00_5"], CT_VALUES["percentile_99_5"]
    hu = (np.clip(volume.array, low, high) - CT_VALUES["mean"]) / CT_VALUES["std"]
    return hu.astype(np.float32), truth
