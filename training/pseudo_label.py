"""Stage 2: what the teacher says of every case, as soft labels and as labels."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from FlareSegLib.body import body_mask
from FlareSegLib.config import ModelConfig, RunOptions
from FlareSegLib.geometry import Volume
from FlareSegLib.intensity import normalize
from FlareSegLib.network import Network
from FlareSegLib.resample import to_spacing
from FlareSegLib.runtimes import load_network
from FlareSegLib.sliding import Sliding
from training.cases import THREADS, case_ids, load_ct, patient, save_labels, save_soft
from training.config import Config, run_stage

SMALL_SHARE = 0.1
"""Components smaller than this share of the organ's largest are taken for hallucinations."""


def teacher_config(config: Config) -> ModelConfig:
    """Return the teacher's facts with the checksum of its file."""
    sha256 = hashlib.sha256(config.teacher.onnx.read_bytes()).hexdigest()
    facts = {k: tuple(v) if isinstance(v, list) else v for k, v in config.teacher.facts.items()}
    overlap = config.pseudo_label.overlap
    return ModelConfig(
        **facts,
        sha256=sha256,
        onnx=config.teacher.onnx.name,
        fine_overlap=overlap,
        coarse_overlap=overlap,
    )  # type: ignore[arg-type]


def look(
    network: Network, facts: ModelConfig, hu: Volume, flip: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the teacher's probabilities (z, y, x, classes), seen with some axes flipped."""
    array = np.ascontiguousarray(np.flip(normalize(hu, facts).array, flip))
    sliding = Sliding(network, facts, RunOptions(centre_first=False), array)
    body = np.flip(body_mask(hu), flip)
    logits = sliding.run(body, lambda _: None).astype(np.float32)
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    return np.flip(logits, flip)


def agreement(
    looks: list[NDArray[np.uint8]], labels: NDArray[np.uint8], classes: int
) -> list[float]:
    """Return, per organ, the mean DSC of the single looks with their mean: how far to trust it."""
    scores = []
    for value in range(1, classes):
        truth = labels == value
        total = [np.count_nonzero(seen == value) + np.count_nonzero(truth) for seen in looks]
        both = [np.count_nonzero((seen == value) & truth) for seen in looks]
        scores.append(
            float(np.mean([2 * b / t if t else 1.0 for b, t in zip(both, total, strict=True)]))
        )
    return scores


def to_logits_grid(
    probabilities: NDArray[np.float32], hu: Volume, config: Config, case: str
) -> NDArray[np.float32]:
    """Return probabilities (classes, z/2, y/2, x/2) on the student's grid of logits."""
    z, y, x = (2 * s for s in config.data.spacing_mm)
    half = [n // 2 for n in load_ct(config.work, case).shape]
    result = np.zeros((probabilities.shape[-1], *half), np.float32)
    for value in range(1, len(result)):
        channel = Volume(np.ascontiguousarray(probabilities[..., value]), hu.grid)
        result[value] = _fit(to_spacing(channel, (z, y, x), THREADS).array, tuple(half))
    result[0] = 1 - result[1:].sum(axis=0)
    return result


def to_labels(
    probabilities: NDArray[np.float32], hu: Volume, config: Config, case: str
) -> NDArray[np.uint8]:
    """Return the likeliest class of each voxel (z, y, x) of the student's grid."""
    shape = load_ct(config.work, case).shape
    best, labels = np.full(shape, 0.0, np.float32), np.zeros(shape, np.uint8)
    for value in range(probabilities.shape[-1]):
        channel = Volume(np.ascontiguousarray(probabilities[..., value]), hu.grid)
        found = _fit(to_spacing(channel, config.data.spacing_mm, THREADS).array, shape)
        labels[found > best] = value
        np.maximum(best, found, out=best)
    return labels


def _fit(array: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Cut or pad with 0 at the far end: rounding may differ by a voxel between two spacings."""
    result = np.zeros(shape, np.float32)
    inside = tuple(slice(0, min(n, m)) for n, m in zip(array.shape, shape, strict=True))
    result[inside] = array[inside]
    return result


def drop_removed(labels: NDArray[np.uint8], soft: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return labels (z, y, x) without what was cleaned away in soft (classes, z/2, y/2, x/2)."""
    cells = tuple(index // 2 for index in np.indices(labels.shape, np.int32, sparse=True))
    kept = soft[(labels, *cells)] > 0
    return np.where(kept, labels, 0).astype(np.uint8)


def clean(probabilities: NDArray[np.float32], body: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return soft labels without what is outside the body or in small pieces beside the organ."""
    kept = probabilities.copy()
    labels = probabilities.argmax(axis=0)
    zoom = [n / m for n, m in zip(labels.shape, body.shape, strict=True)]
    inside = ndimage.zoom(
        ndimage.binary_dilation(body), zoom, order=0, grid_mode=True, mode="nearest"
    )
    for value in range(1, len(kept)):
        components, _ = ndimage.label((labels == value) & inside)
        counts = np.bincount(components.ravel())
        counts[0] = 0
        good = np.isin(components, np.flatnonzero(counts > SMALL_SHARE * counts.max()))
        near = ndimage.binary_dilation(good, iterations=2) if good.any() else good
        kept[value, ~near] = 0
    kept[0] = 1 - kept[1:].sum(axis=0)
    return kept


def label(case: str, network: Network, facts: ModelConfig, config: Config) -> list[float]:
    """Write the soft labels of a case; return the teacher's agreement with itself per organ."""
    hu = to_spacing(patient(config.data.cases / case / "ct.nii.gz"), facts.spacing_mm, THREADS)
    looks = [look(network, facts, hu, flip) for flip in config.pseudo_label.flips]
    mean = sum(looks) / np.float32(len(looks))
    hard = [seen.argmax(axis=-1).astype(np.uint8) for seen in looks]
    trust = agreement(hard, mean.argmax(axis=-1).astype(np.uint8), mean.shape[-1])
    soft = clean(to_logits_grid(mean, hu, config, case), body_mask(hu))
    if case in config.data.without_organs:
        soft[0], soft[1:] = 1, 0
    save_soft(config.work, case, soft)
    save_labels(config.work, case, drop_removed(to_labels(mean, hu, config, case), soft))
    return trust


def main(config: Config, resume: bool = False) -> None:
    """Write soft/<case>.npz, labels/<case>.npz and agreement.json."""
    facts = teacher_config(config)
    network = load_network(config.teacher.onnx.parent, facts, THREADS)
    table = {}
    for case in case_ids(config.data.cases):
        table[case] = dict(zip(facts.labels, label(case, network, facts, config), strict=True))
        print(case, {key: round(value, 2) for key, value in table[case].items()}, flush=True)
        (config.work / "agreement.json").write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
