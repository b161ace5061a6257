"""Train the tiny nnU-Nets with the real nnunetv2: `python -m Testing.nnunet.train WORK [NAME ...]`.

Fingerprint, plan and preprocessing are nnU-Net's own; only the sizes in the plan are made small,
and its trainer without augmentation is taken, which soon learns what phantoms are made of.
What comes of it lies in WORK/nnUNet_results, as it would at a group that trained its own.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path

from Testing.nnunet.worlds import CASES, WORLDS, World, write

FEATURES = (4, 8, 10)
EPOCHS, ITERATIONS = 12, 40


def prepare(work: Path) -> None:
    """Set nnU-Net's folders: to be called before anything of it is imported."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (work / name).mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(work / name)
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "nnUNet_compile": "f"}


def train(world: World, work: Path, epochs: int = EPOCHS, iterations: int = ITERATIONS) -> Path:
    """Train all folds of a world; return the folder of the trained model."""
    prepare(work)
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprint_dataset,
        plan_experiment_dataset,
        preprocess_dataset,
    )
    from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerNoDA import (
        nnUNetTrainerNoDA,
    )

    write(world, work / "nnUNet_raw")
    extract_fingerprint_dataset(world.number, num_processes=1, show_progress_bar=False)
    plan_experiment_dataset(world.number)
    folder = work / "nnUNet_preprocessed" / world.dataset
    plans = _made_small(json.loads((folder / "nnUNetPlans.json").read_text()), world)
    (folder / "nnUNetPlans.json").write_text(json.dumps(plans, indent=1))
    preprocess_dataset(
        world.number, "nnUNetPlans", (world.configuration,), (1,), show_progress_bar=False
    )
    names = [f"case_{i}" for i in range(CASES)]
    splits = [{"train": names[:i] + names[i + 1 :], "val": [names[i]]} for i in range(CASES)]
    (folder / "splits_final.json").write_text(json.dumps(splits))
    dataset = json.loads((folder / "dataset.json").read_text())
    os.environ |= {"nnUNet_n_proc_DA": "0"}  # no processes; the planner would not take this
    for fold in world.folds:
        torch.manual_seed(fold)
        torch.set_num_threads(1)
        facts = {**json.loads(json.dumps(plans)), "continue_training": False}
        trainer = nnUNetTrainerNoDA(facts, world.configuration, fold, dataset, torch.device("cpu"))
        trainer.initialize()
        trainer.inference_allowed_mirroring_axes = world.mirrored  # NoDA would allow none
        trainer.num_epochs, trainer.num_iterations_per_epoch = epochs, iterations
        trainer.num_val_iterations_per_epoch = 2
        trainer.run_training()
    return Path(trainer.output_folder_base)


def _made_small(plans: dict, world: World) -> dict:
    """Return the plans with a small patch and a small network."""
    facts = plans["configurations"][world.configuration]
    facts |= {"patch_size": list(world.patch), "batch_size": 2}
    architecture = facts["architecture"]
    wanted = architecture["arch_kwargs"] | {
        "n_stages": len(FEATURES),
        "features_per_stage": list(FEATURES),
        "kernel_sizes": [list(kernel) for kernel in world.kernels],
        "strides": [list(stride) for stride in world.strides],
        "n_conv_per_stage": [2] * len(FEATURES),
        "n_conv_per_stage_decoder": [2] * (len(FEATURES) - 1),
    }
    if world.is_residual:
        kind = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
        architecture["network_class_name"] = kind
        wanted["n_blocks_per_stage"] = [1, 2, 2]
        wanted["n_conv_per_stage_decoder"] = [1] * (len(FEATURES) - 1)
        del wanted["n_conv_per_stage"]
    architecture["arch_kwargs"] = wanted
    return plans


def pack(model: Path, target: Path) -> Path:
    """Write a trained model as a zip of nnUNetv2_export_model_to_zip, without the optimiser."""
    import torch

    results = model.parents[1]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("plans.json", "dataset.json", "dataset_fingerprint.json"):
            if name == "dataset_fingerprint.json":
                facts = json.loads((model / name).read_text())
                facts = {**facts, "shapes_after_crop": [], "spacings": []}
                archive.writestr(str((model / name).relative_to(results)), json.dumps(facts))
                continue
            archive.write(model / name, (model / name).relative_to(results))
        for path in sorted(model.glob("fold_*/checkpoint_final.pth")):
            facts = torch.load(path, map_location="cpu", weights_only=False)
            facts["optimizer_state"] = None
            small = path.with_name("small.pth")
            torch.save(facts, small)
            archive.write(small, path.relative_to(results))
            small.unlink()
    return target


def main(words: list[str]) -> None:
    """Train what is named, or all; pack each."""
    work = Path(words[0]).resolve()
    for name in words[1:] or WORLDS:
        model = train(WORLDS[name], work)
        print(pack(model, work / f"{name}.zip"))


if __name__ == "__main__":
    main(sys.argv[1:])
