"""The whole program: from a CT to its organs. The only file that knows the order of the steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from FlareSegLib.base.atomic import none_or_all
from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.base.job import Job
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.paths import DEFAULT_MODEL
from FlareSegLib.base.progress import Progress, Stopwatch, silent
from FlareSegLib.base.resources import peak_mib, threads_for
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.exports.files import Files
from FlareSegLib.images.archive import unzipped
from FlareSegLib.images.privacy import hiding
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.writing import check_grid, check_source
from FlareSegLib.inference.network import Network
from FlareSegLib.inference.runtimes import Loader, importing_ahead, load_network, pick
from FlareSegLib.inference.sliding import Sliding
from FlareSegLib.measuring.evidence import evidence
from FlareSegLib.measuring.measure import measure
from FlareSegLib.measuring.scan import scan_of
from FlareSegLib.measuring.trust import trusted, untold
from FlareSegLib.postprocessing import cleanup, restore, restore_classwise
from FlareSegLib.postprocessing.uncertainty import to_uncertainty
from FlareSegLib.preprocessing import body, orient, prepare
from FlareSegLib.reporting import report
from FlareSegLib.reporting.report import Report, report_of
from FlareSegLib.reporting.result import Result


def default_model() -> Path:
    """Return the folder of the model that ships with FlareSeg."""
    return DEFAULT_MODEL


def segment(
    volume: Volume,
    network: Network,
    config: ModelConfig,
    options: RunOptions | None = None,
    watch: Stopwatch | None = None,
    threads: int = 0,
) -> Result:
    """Return the organs of a CT on its own grid, and the report.

    Args:
        volume: HU, any orientation and spacing.
        network: See runtimes.load_network.
        config: Facts of the network.
        options: Choices of the user.
        watch: Takes the seconds of each step; its progress callback may stop the run.
        threads: What resources.threads_for() gave; 0: ask it here.

    Raises:
        ResourceError: There is not enough memory.
        Cancelled: The progress callback asked to stop.
    """
    options, watch = options or RunOptions(), watch or Stopwatch()
    threads = threads or _threads(volume, config, options)
    labels = config.label_set
    with watch.step("orient"):
        turned = orient.to_model(volume, config)
        box, mask = body.area(turned, config)
    with watch.step("resample"):
        roi = turned.crop(box)
        normalized = prepare.prepared(roi, config, threads)
    with watch.step("network") as on_share:
        sliding = Sliding(network, config, options, normalized.array)
        logits = sliding.run(mask, on_share)
    with watch.step("restore"):
        labelmap = Labelmap(np.zeros(volume.grid.shape, np.uint8), volume.grid)
        target = orient.to_model(labelmap, config).crop(box)  # a view: what is written is there
        spacing_mm = config.logits_spacing_on(normalized.grid)
        if options.restore == "classwise" and not config.recipe:
            restore_classwise.to_labels(logits, spacing_mm, target, threads)
        else:
            restore.to_labels(logits, spacing_mm, target, threads, config)
        restore.to_values(target, config.values)
        unsure = (
            Labelmap(np.zeros_like(labelmap.array), volume.grid) if options.uncertainty else None
        )
        if unsure:
            to_uncertainty(logits, spacing_mm, orient.to_model(unsure, config).crop(box), threads)
    with watch.step("clean up"):
        rules = labels.organs if options.clean else ()
        removed = cleanup.clean(target.array, target.grid.spacing_mm, rules, roi.array)
    with watch.step("measure"):
        organs = labels.chosen(options.organs)
        measured = measure(labelmap, volume, labels)  # all organs: they tell left from right
        if config.recipe:  # what follows knows CTs, and models with a background
            found = untold(measured)
        else:
            known = evidence(logits, spacing_mm, target, config.values, sliding.looks)
            scan = scan_of(roi, mask, box, turned.grid)
            found = trusted(measured, known, scan, removed, turned.grid, config.confidence)
        labelmap = labelmap if organs == labels.organs else restore.only(organs, labelmap)
    facts = {
        "grid": report.grid_facts(volume.grid),
        "model": config.told,
        "speed": options.speed,
        "threads": threads,
        "windows": dataclasses.asdict(sliding.counts),
        "removed_ml": removed,
        "seconds": watch.seconds,
        "peak_memory_mib": peak_mib(),
        "versions": report.versions(),
    }
    said = report_of(found, organs, facts, (*config.warnings, *volume.warnings))
    return Result(labelmap, said, found.seen, unsure, found.doubt)


def _threads(volume: Volume, config: ModelConfig, options: RunOptions) -> int:
    wanted = options.threads, options.speed, config.logits_per_voxel, config.network_mib
    return threads_for(volume.grid, config.spacing_mm, *wanted)


def segment_file(
    job: Job,
    model: Path,
    options: RunOptions | None = None,
    progress: Progress = silent,
    load: Loader | None = None,
) -> Report:
    """Read a CT, segment it, write the files that the job asks for; return the report.

    Args:
        job: What to read and to write.
        model: Folder of the model.
        options: Choices of the user.
        progress: May stop the run.
        load: What loads the network; for many CTs runtimes.loads_once(), load_network if None.

    Raises:
        FlareSegError: Anything a user can cause; no new file is left, whole or half-written.
    """
    options = dataclasses.replace(options or RunOptions(), uncertainty=bool(job.uncertainty))
    with unzipped(job.source) as source, none_or_all((*job.targets, *job.extra_folders)):
        return _segment_file(job.unpacked(source), model, options, progress, load)


def _segment_file(
    job: Job, model: Path, options: RunOptions, progress: Progress, load: Loader | None
) -> Report:
    watch = Stopwatch(progress)
    config = read_model_config(model).at_speed(options.speed)
    files = Files(job, config, options)
    files.check()
    runtime = pick(options.runtime, config, options.device)
    with importing_ahead(runtime):
        with watch.step("read"), hiding(job.source, job.series, keep_ids=options.keep_ids):
            check_source(job.labelmap, job.source, job.series)
            volume = read_volume(
                job.source,
                series=job.series,
                hu_offset=job.hu_offset,
                modality=config.modality,
            )
        check_grid(job.labelmap, volume.grid)
        threads = _threads(volume, config, options)
        with watch.step("load network"):
            network = (load or load_network)(model, config, threads, runtime)
    result = segment(volume, network, config, options, watch, threads)
    return files.write(volume, result, watch, runtime)
