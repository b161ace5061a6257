"""What is measured, and how far it can be trusted: confidence, phase, findings, out of field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.measuring.confidence import Judged, Seen, judge
from FlareSegLib.measuring.derived import Measure
from FlareSegLib.measuring.evidence import Evidence
from FlareSegLib.measuring.findings import Finding, findings
from FlareSegLib.measuring.measure import Measured
from FlareSegLib.measuring.phase import Phase, phase_of
from FlareSegLib.measuring.rows import WIDE_AORTA_MM, OrganRow
from FlareSegLib.measuring.scan import Scan
from FlareSegLib.measuring.usual import is_out_of_field


@dataclass(frozen=True)
class Trusted:
    """What a scan measures, with what is thought of it."""

    organs: tuple[OrganRow, ...]
    derived: tuple[Measure, ...]
    phase: Phase | None
    findings: tuple[Finding, ...]
    seen: Seen | None
    """What it was told from."""
    doubt: Labelmap | None
    """See Evidence."""


def trusted(
    measured: Measured,
    evidence: Evidence,
    scan: Scan,
    removed_ml: Mapping[str, float],
    canonical: Grid,
    told: Mapping[str, Any] | None,
) -> Trusted:
    """Return measured rows with confidence and flags, and what is thought of the scan.

    Args:
        measured: Of all organs of the model.
        evidence: What the network knew.
        scan: Body, air, noise.
        removed_ml: What the clean-up took from each organ.
        canonical: Grid of the canonical CT.
        told: confidence.json of the model; None if it has none.
    """
    rows = {row.key: row for row in measured.organs}
    seen = Seen(rows, evidence.organs, scan, removed_ml)
    judged = judge(seen, told)
    ends = canonical.origin[2], canonical.to_world((canonical.shape[0] - 1, 0, 0))[2]
    wide = any(
        one.key == "aorta_diameter_mm" and one.value >= WIDE_AORTA_MM for one in measured.derived
    )
    marked = {
        key: marked_by(row, judged.get(key), is_wide=wide and key == "aorta")
        for key, row in rows.items()
    }
    outside = [
        key
        for key, row in marked.items()
        if not row.components and is_out_of_field(key, marked, scan, (min(ends), max(ends)))
    ]
    marked |= {key: _outside(marked[key]) for key in outside}
    said = phase_of(rows), findings(marked, scan)
    return Trusted(tuple(marked.values()), measured.derived, *said, seen, evidence.doubt)


def untold(measured: Measured) -> Trusted:
    """Return measured rows of a model of others, of which no more is thought."""
    return Trusted(measured.organs, measured.derived, None, (), None, None)


def _outside(row: OrganRow) -> OrganRow:
    """Return an absent row as out of field; a doubt that it is there all the same stays."""
    flags = ("out_of_field" if flag == "absent" else flag for flag in row.flags)
    return replace(row, flags=tuple(flags))


def marked_by(row: OrganRow, thought: Judged | None, *, is_wide: bool = False) -> OrganRow:
    """Return a row with what is thought of it, and the flags that follow."""
    flags = (*row.flags, *(["wide"] if is_wide else []))
    if not thought:
        return replace(row, flags=flags)
    flags = (*flags, *(["doubtful"] if thought.reasons else []))
    return replace(row, flags=flags, confidence=thought.confidence, doubts=thought.reasons)
