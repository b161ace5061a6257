"""From a CT and its prompts to files: read, segment each thing, write, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from FlareSegLib.base.atomic import check_place, digest, none_or_all
from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.base.job import beside
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.progress import Progress, Step, silent
from FlareSegLib.images.privacy import hiding, shown_name
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting import prompt_files
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.organs import Organs, read_organs
from FlareSegLib.prompting.prompt_network import (
    DEFAULT,
    OTHERS,
    PromptNetwork,
    load_prompt_network,
    read_prompt_config,
)
from FlareSegLib.prompting.prompt_report import FLAGS, Row, row_of, write_csv, write_json
from FlareSegLib.prompting.prompt_table import Wanted
from FlareSegLib.prompting.prompts import ClickPrompt, Prompt, VoxelBox
from FlareSegLib.prompting.session import Session


@dataclass(frozen=True)
class PromptJob:
    """One CT, what to segment in it, and the files that come of it."""

    source: Path
    things: tuple[Wanted, ...]
    labelmap: Path
    csv: Path | None = None
    series: str | None = None
    keep_others: bool = True
    """Where things meet the first has the voxel, else the last."""
    grow: bool = True
    keep_ids: bool = False
    start: Path | None = None
    """Organs that were found before; the only thing is the name of one, and clicks correct it."""

    @property
    def report(self) -> Path:
        """Where the JSON report goes: beside the labelmap."""
        return beside(self.labelmap, ".report.json")

    @property
    def targets(self) -> tuple[Path, ...]:
        """All files to write."""
        return tuple(path for path in (self.labelmap, self.report, self.csv) if path)


def run(
    job: PromptJob,
    read: Callable[[], Volume],
    model: Path | None = None,
    threads: int = 0,
    progress: Progress = silent,
) -> tuple[Row, ...]:
    """Segment what the job asks for, write its files, return a row for each thing.

    Args:
        job: Its source is no zip file.
        read: Returns the CT, see read_apart.reading(). Nobody else may keep it: writing takes
            SimpleITK, and so much memory that they are not held together.
        model: Folder of a network of prompts; None: the one that ships.
        threads: At most; 0: automatic.
        progress: Told of each step.

    Raises:
        FlareSegError: Anything a user can cause; no new file is left. Where many things are asked
            for, one that is not found is flagged; where it is the only one, it is an error.
    """
    with none_or_all(job.targets):
        prompt_files.check_extension(job.labelmap)
        for path in job.targets:
            check_place(path)
        read_prompt_config(model or DEFAULT)  # says at once what is wrong with it
        progress(Step("read", 0.0))
        with hiding(job.source, job.series, keep_ids=job.keep_ids):
            volume = read()
        network = load_prompt_network(model, threads)
        progress(Step("network", 0.6))
        if job.start:
            organs, rows = correct_organ(volume, job, network, job.start)
            del volume
            progress(Step("write", 0.9))
            organs.write(job.labelmap)
            _write_report(rows, job, network, organs.labels.organs)
        else:
            labelmap, rows = segment_things(volume, job, network, progress)
            del volume
            _check_found(rows)
            progress(Step("write", 0.9))
            prompt_files.write_things(labelmap, [row.name for row in rows], job.labelmap)
            _write_report(rows, job, network)
    progress(Step("write", 1.0))
    return rows


def segment_things(
    volume: Volume, job: PromptJob, network: PromptNetwork, progress: Progress = silent
) -> tuple[Labelmap, tuple[Row, ...]]:
    """Return the labelmap on the grid of the CT, and a row for each thing."""
    labelmap = Labelmap(np.zeros(volume.grid.shape, np.uint8), volume.grid)
    session = Session(volume, network, grow=job.grow)
    canonical, rows = to_canonical(volume), []
    for value, thing in enumerate(job.things, 1):
        progress(Step("network", 0.6 + 0.3 * (value - 1) / len(job.things)))
        began = time.perf_counter()
        found = _prompted(session, thing, volume)
        found.write(labelmap, value, keep_others=job.keep_others)
        seconds = time.perf_counter() - began
        rows.append(row_of(found, canonical, thing.name, value, seconds))
    return labelmap, tuple(rows)


def correct_organ(
    volume: Volume, job: PromptJob, network: PromptNetwork, start: Path
) -> tuple[Organs, tuple[Row, ...]]:
    """Return the organs of a file, the one that the job's thing names corrected, and its row."""
    (thing,) = job.things
    clicks = [prompt for prompt in thing.prompts if isinstance(prompt, ClickPrompt)]
    if len(clicks) < len(thing.prompts):
        raise InputError(f"{thing.name} is corrected by points alone: take boxes and lines away")
    organs = read_organs(start, thing.name, volume.grid)
    for click in clicks if job.keep_others else ():
        organs.check_free(click)
    session, organ = Session(volume, network), organs.organ
    began = time.perf_counter()
    before = session.start(organs.labelmap, organ.value, keep_others=job.keep_others)
    found = _followed(session, thing, volume)
    found.write(organs.labelmap, organ.value, keep_others=job.keep_others)
    seconds = time.perf_counter() - began
    row = row_of(found, session.volume, organ.name, organ.value, seconds)
    return organs, (replace(row, before_ml=before.ml),)


def _prompted(session: Session, thing: Wanted, volume: Volume) -> Found:
    session.new()
    return _followed(session, thing, volume)


def _followed(session: Session, thing: Wanted, volume: Volume) -> Found:
    for prompt in in_order(thing.prompts):
        asked: Prompt = prompt.in_world(volume.grid) if isinstance(prompt, VoxelBox) else prompt
        try:
            session.prompt(asked)
        except InputError as error:
            raise InputError(f"{thing.name}: {error}") from error
    if session.found is None:
        raise InputError(f"{thing.name}: no prompt, give a box, a line or a click")
    return session.found


def in_order(prompts: Sequence[Prompt | VoxelBox]) -> list[Prompt | VoxelBox]:
    """Return prompts so that a box or line comes first, then clicks inside, then outside."""
    return sorted(prompts, key=lambda one: (hasattr(one, "inside"), not getattr(one, "inside", 1)))


def _check_found(rows: tuple[Row, ...]) -> None:
    if all("empty" in row.flags for row in rows):
        names = ", ".join(row.name for row in rows[:3])
        raise InputError(f"{names}: {FLAGS['empty']}; nothing was written")


def _write_report(
    rows: tuple[Row, ...], job: PromptJob, network: PromptNetwork, organs: Sequence[Organ] = ()
) -> None:
    if job.csv:
        write_csv(rows, job.csv)
    config = network.config
    name = job.source.name if job.keep_ids else shown_name(job.source, job.series)
    others = (path for path in job.targets if path != job.report)
    model = {"name": config.name, "version": config.version, "sha256": config.sha256}
    for key in OTHERS:
        if other := getattr(config, key):
            model[f"{key}_sha256"] = other.sha256
    facts = {
        "input": name,
        "model": model,
        "files": {path.name: digest(path) for path in others},
    }
    if job.start:
        facts["start"] = {"file": job.start.name, "sha256": digest(job.start)}
    write_json(rows, facts, job.report, organs)
