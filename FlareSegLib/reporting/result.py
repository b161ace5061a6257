"""What a run gives, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.measuring.confidence import Seen
from FlareSegLib.reporting.report import Report


@dataclass(frozen=True)
class Result:
    """What a run gives."""

    labelmap: Labelmap
    """On the grid of the CT."""
    report: Report
    """Volumes, flags, seconds."""
    seen: Seen | None
    """What confidence and findings were told from."""
    uncertainty: Labelmap | None = None
    """Percent at each voxel of the CT, if it was asked for."""
    doubt: Labelmap | None = None
    """Percent near organs, on the grid of the logits; of FlareSeg's own models."""
