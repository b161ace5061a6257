"""The files of a run: what would keep them from being written is told before the work."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from FlareSegLib.base.atomic import check_place, digest
from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.base.job import Job
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.progress import Stopwatch
from FlareSegLib.base.resources import peak_mib
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.exports import run as extras
from FlareSegLib.images.dicom.acquisition import acquisition
from FlareSegLib.images.dicom.seg import Provenance
from FlareSegLib.images.origin import origin
from FlareSegLib.images.privacy import shown_name
from FlareSegLib.images.writing import check_writable, write_labelmap
from FlareSegLib.postprocessing.uncertainty import check_uncertainty
from FlareSegLib.preprocessing import orient
from FlareSegLib.reporting import preview, report, thumbnail, tiles
from FlareSegLib.reporting.png import write_png
from FlareSegLib.reporting.report import Report
from FlareSegLib.reporting.result import Result


@dataclass(frozen=True)
class Files:
    """The files that a job asks for."""

    job: Job
    config: ModelConfig
    options: RunOptions

    def check(self) -> None:
        """Check before the work what would make writing fail.

        Raises:
            OutputError: A place, a format or a package.
            ModelError: The model cannot tell its uncertainty.
        """
        job = self.job
        check_writable(job.labelmap, job.source)
        for path in job.targets:
            check_place(path)
        if job.preview:
            preview.check_installed()
        extras.check(job)
        check_uncertainty(job.uncertainty, self.config)

    def write(self, volume: Volume, result: Result, watch: Stopwatch, runtime: str) -> Report:
        """Write all of them, the report last; return it.

        Raises:
            OutputError: One cannot be written.
        """
        job, config, options = self.job, self.config, self.options
        organs = config.label_set.chosen(options.organs)
        made = Provenance(job.source, job.series, config.name, config.version, job.seg)
        with ThreadPoolExecutor(1) as pool, watch.step("write"):
            source = pool.submit(self._origin)  # reads all of the CT's file for its checksum
            write_labelmap(result.labelmap, job.labelmap, made, config.label_set)
            if job.uncertainty and result.uncertainty:
                write_labelmap(result.uncertainty, job.uncertainty)
        title = job.title or self._name
        draw = partial(_write_preview, volume, result, organs, title)
        if job.preview:
            with watch.step("preview"):
                draw(job.preview)
        if job.thumbnail:
            write_png(thumbnail.draw(*_upright(volume, result), organs), job.thumbnail)
        if job.tiles:
            write_png(tiles.draw_tiles(*_upright(volume, result), organs), job.tiles)
        found = dataclasses.replace(
            result.report, facts=self._facts(result, runtime, source.result())
        )
        if job.extras:
            with watch.step("export"):
                parts = extras.Made(result.labelmap, organs, found, made, title, draw)
                extras.write(job, parts)
        return self._write_report(found)

    @property
    def _name(self) -> str:
        job = self.job
        return job.source.name if self.options.keep_ids else shown_name(job.source, job.series)

    def _origin(self) -> dict[str, object]:
        job = self.job
        ids = self.options.keep_ids
        return origin(job.source, job.series, job.report_path, keep_ids=ids, archive=job.archive)

    def _facts(
        self, result: Result, runtime: str, source: Mapping[str, object]
    ) -> dict[str, object]:
        """Return the facts of the run and those of its input."""
        job, options = self.job, self.options
        with_person = options.keep_ids or options.keep_demographics
        return {
            "input": self._name,
            "source": source,
            "dicom": acquisition(job.source, job.series, with_person=with_person),
            **result.report.facts,
            "runtime": runtime,
            "peak_memory_mib": peak_mib(),
        }

    def _write_report(self, found: Report) -> Report:
        """Write the table, and last of all the report: it has the checksums of the other files."""
        job = self.job
        if job.csv:
            report.write_csv(found, job.csv)
        others = (path for path in job.targets if path != job.report_path)
        facts = {**found.facts, "files": {path.name: digest(path) for path in others}}
        found = dataclasses.replace(found, facts=facts)
        report.write_json(found, job.report_path)
        return found


def _upright(volume: Volume, result: Result) -> tuple[Volume, Labelmap]:
    """Return CT and labels in canonical orientation: people expect the head up."""
    return orient.to_canonical(volume), orient.to_canonical(result.labelmap)


def _write_preview(
    volume: Volume, result: Result, organs: tuple[Organ, ...], title: str, path: Path
) -> None:
    caption = preview.Caption(title, {row.key: row.flags for row in result.report.organs})
    over = preview.Over(doubt=result.doubt)
    preview.write_preview(*_upright(volume, result), organs, path, caption, over)
