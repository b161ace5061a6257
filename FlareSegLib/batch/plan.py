"""What to do with every case of a batch, and doing it with one."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from FlareSegLib.base.atomic import check_place
from FlareSegLib.base.errors import Cancelled, to_line
from FlareSegLib.base.job import Job, beside
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.progress import Progress, Step, silent
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.batch import template
from FlareSegLib.batch.cases import Case
from FlareSegLib.batch.summary import NOTHING, Row, check_parquet, measured
from FlareSegLib.images.dicom import seg
from FlareSegLib.images.writing import DICOM_SEG
from FlareSegLib.inference.runtimes import Loader, check_model
from FlareSegLib.pipeline import segment_file
from FlareSegLib.reporting import preview

SUMMARY = "summary.csv"
PAGE = "cohort.html"
MARK = "_organs"
"""Between the name of a case and the extension: ct.nii.gz gives ct_organs.nii.gz."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What to do with every case."""

    output: Path
    """Folder for all files."""
    model: Path
    """Model folder."""
    options: RunOptions = field(default_factory=RunOptions)
    """Choices of the user."""
    extension: str = ".nii.gz"
    """Of the labelmaps; sets their format."""
    hu_offset: float = 0.0
    """Added to the voxels as read."""
    seg: Literal["labelmap", "binary"] = "labelmap"
    """Kind of DICOM SEG."""
    extras: tuple[str, ...] = ()
    """What else to write of each case: keys of job.EXTRAS."""
    with_csv: bool = False
    """Write the organ table of each case too."""
    with_preview: bool = False
    """Write a picture of each case too."""
    with_page: bool = False
    """Write a page of the whole cohort, and small pictures of each case for it."""
    with_parquet: bool = False
    """Write the summary as Parquet too."""
    with_tidy: bool = False
    """Write a table with a line for each case and organ too."""
    skip_existing: bool = False
    """Leave out the cases that are finished: report there, other files as it says."""

    @property
    def summary(self) -> Path:
        """The table of all cases."""
        return self.output / SUMMARY

    @property
    def page(self) -> Path:
        """The page of the cohort."""
        return self.output / PAGE

    @property
    def organs(self) -> tuple[Organ, ...]:
        """The organs asked for, as the model knows them.

        Raises:
            ModelError: The model folder is broken.
            ValueError: The model does not know one of them.
        """
        return read_model_config(self.model).label_set.chosen(self.options.organs)

    def job(self, case: Case) -> Job:
        """Return what to read and to write for a case."""
        labelmap = self.output / f"{case.name}{MARK}{self.extension}"
        return Job(
            case.source,
            labelmap,
            csv=beside(labelmap, ".csv") if self.with_csv else None,
            preview=beside(labelmap, ".png") if self.with_preview else None,
            thumbnail=self.thumbnail(case.name) if self.with_page else None,
            tiles=self.tiles(case.name) if self.with_page else None,
            series=case.series,
            hu_offset=self.hu_offset,
            seg=self.seg,
            extras=self.extras,
            title=case.name,
        )

    def thumbnail(self, name: str) -> Path:
        """Return where the thumbnail of a case goes."""
        return self.output / "thumbnails" / f"{name}{MARK}.thumbnail.png"

    def tiles(self, name: str) -> Path:
        """Return where the pictures of a case's organs go."""
        return self.output / "thumbnails" / f"{name}{MARK}.tiles.png"

    def check(self) -> None:
        """Check before the first case what would make all of them fail.

        Raises:
            FlareSegError: The output, the model, or a package that is needed.
        """
        check_place(self.summary)
        check_model(self.model, self.options.runtime)
        if self.with_preview:
            preview.check_installed()
        if self.with_parquet:
            check_parquet()
        if self.with_page:
            template.check_installed()
        if self.extension == DICOM_SEG:
            seg.check_installed()

    def to_dict(self) -> dict[str, object]:
        """Return the plan as JSON knows it; plan_of() gives it back."""
        facts = {**vars(self), "options": vars(self.options)}
        facts |= {"output": str(self.output.absolute()), "model": str(self.model.absolute())}
        return facts


def plan_of(facts: Mapping[str, Any]) -> Plan:
    """Return the plan that Plan.to_dict() gave."""
    options = dict(facts["options"])
    options["organs"] = tuple(options["organs"])
    folders = {key: Path(facts[key]) for key in ("output", "model")}
    more = {"extras": tuple(facts["extras"]), "options": RunOptions(**options)}
    return Plan(**{**facts, **folders, **more})


def run_case(
    case: Case,
    plan: Plan,
    load: Loader,
    progress: Progress = silent,
    unpacked: Path | None = None,
) -> Row:
    """Segment one case; whatever goes wrong becomes the reason in its row.

    Args:
        case: What to segment.
        plan: What to do with it.
        load: Loads the network.
        progress: Takes its steps.
        unpacked: What its source holds, if that is a zip file which was unpacked before.

    Raises:
        Cancelled: The progress callback asked to stop.
    """
    began = time.perf_counter()
    try:
        job = plan.job(case).unpacked(unpacked or case.source)
        report = segment_file(job, plan.model, plan.options, progress, load)
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001  nothing that one case holds may stop the others
        progress(Step("failed", 1.0))  # a stop may have come as another error
        _log.debug("%s failed", case.name, exc_info=True)
        return failed(case, to_line(error), time.perf_counter() - began)
    return replace(row_for(case), measured=measured(report.to_dict()))


def row_for(case: Case) -> Row:
    """Return the row of a case that went well, with nothing measured yet."""
    return Row(case.name, case.place, case.series or "", "ok")


def failed(case: Case, reason: str, seconds: float = 0.0) -> Row:
    """Return the row of a case that failed."""
    measures = replace(NOTHING, seconds=seconds)
    return replace(row_for(case), status="failed", reason=reason, measured=measures)
