"""Segment in a line: segment(ct), segment_file(ct, out), and load_model() for many CTs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from FlareSegLib import pipeline
from FlareSegLib.api.scans import to_scan
from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.job import Job
from FlareSegLib.base.labels import LabelSet
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.progress import Progress, Stopwatch, silent
from FlareSegLib.base.resources import physical_cores
from FlareSegLib.base.run_options import RunOptions, Runtime, Speed
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.inference.network import Network
from FlareSegLib.inference.runtimes import load_network
from FlareSegLib.reporting.report import Report

FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class Model:
    """A network that is loaded, for many CTs; from load_model()."""

    network: Network
    config: ModelConfig
    speed: Speed
    threads: int


@dataclass(frozen=True)
class Segmentation:
    """What segment() gives."""

    labels: Any
    """On the grid of the CT, as the kind of thing that came in; a SimpleITK image for a path.
    0 is background, the other values are those of report.organs."""
    report: Report
    """Volumes, HU, flags, seconds; to_dict() gives what the file of `flareseg segment` holds."""
    labelmap: Labelmap
    """The labels with their grid, (z, y, x), as the core knows them."""

    label_set: LabelSet
    """Names, colors and codes of the values."""

    def save(self, path: FilePath) -> None:
        """Write the labels: .nii.gz, .nii, .nrrd, .mha, or .seg.nrrd for 3D Slicer.

        Raises:
            OutputError: They cannot be written; says why and what to do.
        """
        write_labelmap(self.labelmap, Path(path), labels=self.label_set)


def load_model(
    model: FilePath | None = None,
    *,
    speed: Speed = "balanced",
    threads: int = 0,
    runtime: Runtime = "auto",
) -> Model:
    """Return a network for many calls of segment().

    Args:
        model: Folder of the model; None: the one that ships.
        speed: fast, balanced or accurate.
        threads: At most; 0: the number of physical cores.
        runtime: auto, onnxruntime or openvino.

    Raises:
        ModelError: The model is broken, or the runtime not installed.
    """
    folder = Path(model) if model is not None else pipeline.default_model()
    config = read_model_config(folder).at_speed(speed)
    threads = threads or physical_cores()
    return Model(load_network(folder, config, threads, runtime), config, speed, threads)


def segment(  # noqa: PLR0913  one line of Python, and each of these is asked for
    ct: Any,
    *,
    organs: str | Iterable[str] = (),
    speed: Speed = "balanced",
    model: FilePath | Model | None = None,
    progress: Progress = silent,
    spacing: Sequence[float] | None = None,
    affine: ArrayLike | None = None,
) -> Segmentation:
    """Return the organs of a CT, on its own grid.

    Args:
        ct: A path (image file or folder with a DICOM series), a SimpleITK image, a nibabel image,
            or a NumPy array in HU with spacing or affine.
        organs: Keys of those that are wanted, such as ("liver", "spleen"); empty: all.
        speed: fast, balanced or accurate; that of a loaded model goes first.
        model: Folder, or what load_model() gave; None: the one that ships.
        progress: Told the step and the share that is done; raises Cancelled to stop the run.
        spacing: For an array (z, y, x) of slices from the feet up, rows from front to back, columns
            from the patient's right to left: mm along its axes.
        affine: For an array with axes of any order: 4 x 4, index to mm (R, A, S), as nibabel's.

    Raises:
        FlareSegError: Anything a user can cause; says what was wrong, its value and what to do.
    """
    loaded = model if isinstance(model, Model) else load_model(model, speed=speed)
    wanted = _known((organs,) if isinstance(organs, str) else tuple(organs), loaded.config)
    watch = Stopwatch(progress)
    with watch.step("read"):
        scan = to_scan(ct, spacing=spacing, affine=affine, modality=loaded.config.modality)
    options = RunOptions(speed=loaded.speed, organs=wanted, threads=loaded.threads)
    result = pipeline.segment(scan.volume, loaded.network, loaded.config, options, watch)
    labels = scan.to_caller(result.labelmap)
    return Segmentation(labels, result.report, result.labelmap, loaded.config.label_set)


def segment_file(
    ct: FilePath,
    out: FilePath,
    *,
    organs: str | Iterable[str] = (),
    speed: Speed = "balanced",
    model: FilePath | None = None,
    progress: Progress = silent,
) -> Report:
    """Segment a CT into a file, with its report beside it, as `flareseg segment` does.

    Args:
        ct: Image file, or folder with a DICOM series.
        out: .nii.gz, .nii, .nrrd, .mha, .seg.nrrd; .dcm for DICOM input.
        organs: See segment().
        speed: See segment().
        model: Folder; None: the one that ships.
        progress: See segment().

    Raises:
        FlareSegError: Anything a user can cause; nothing is written then.
    """
    folder = Path(model) if model is not None else pipeline.default_model()
    keys = (organs,) if isinstance(organs, str) else tuple(organs)
    options = RunOptions(speed=speed, organs=_known(keys, read_model_config(folder)))
    return pipeline.segment_file(Job(Path(ct), Path(out)), folder, options, progress)


def _known(keys: tuple[str, ...], config: ModelConfig) -> tuple[str, ...]:
    for key in keys:
        if key not in config.labels:
            close = get_close_matches(key, config.labels, 1)
            cure = f"did you mean {close[0]}?" if close else f"it has {', '.join(config.labels)}"
            raise InputError(f"{key} is no organ of the model {config.name}: {cure}")
    return keys
