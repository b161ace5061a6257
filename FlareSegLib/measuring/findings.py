"""Signs that a scan is not what FlareSeg was made for: an adult's abdomen, lying as it says.

No good CT of ours has one; what each is measured on stands in docs/trust.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from FlareSegLib.measuring.rows import OrganRow
from FlareSegLib.measuring.scan import FAT_HU, Scan
from FlareSegLib.measuring.usual import orders, shipped

FEWEST_ORGANS = 3
"""Fewer convincing ones are a limb, a phantom, or a small part of an abdomen."""
CONVINCING = 0.5
"""Confidence of a convincing organ."""
SMALLEST_MM = (230.0, 120.0)
"""Width and depth of the smallest body; the smallest of ours is 288 x 180 mm."""
BONE_IN_FRONT = -0.04
"""Place of bone in a body, share of its depth; no trunk of ours is below -0.02."""
LUNGS, NO_LUNGS = 0.15, 0.05
"""Share of air at an end of the scan that is lungs, and that is not."""
LEAST_REVERSED = 1.0
"""So many pairs of organs, surely found, must lie in reverse; in a good CT of ours 0.8 do."""
USUAL_HU = {"liver": (-30.0, 230.0), "spleen": (0.0, 260.0), "aorta": (0.0, 900.0)}
"""Of cores: fatty livers and arterial vessels included."""
LEFT_MM = 10.0
"""How far left of the aorta liver and spleen lie together in a mirrored scan; in ours they lie 21
mm and more right of it."""
LEAST_FAT = 0.1
"""Share of fat in a body; the least of ours is 0.23."""
NOISE_HU = 50.0
"""Of a very noisy scan; the noisiest of ours, of a lung kernel, has 30."""


@dataclass(frozen=True)
class Finding:
    """What is odd about a scan."""

    key: str
    """Stable name for programs."""
    sentence: str
    """For people: what, and what it may mean."""


def findings(rows: Mapping[str, OrganRow], scan: Scan) -> tuple[Finding, ...]:
    """Return what is odd about a scan in which organs were found.

    Args:
        rows: By organ key, all organs of the model.
        scan: Its numbers.
    """
    abdominal = [row for key, row in rows.items() if key in shipped()]
    found = (
        _few_organs(abdominal),
        _small_body(scan),
        _upside_down(rows, scan),
        _turned(rows, scan),
        _mirrored(rows),
        _unusual_hu(rows, scan),
        _very_noisy(scan),
    )
    return tuple(one for one in found if one)


def _few_organs(rows: list[OrganRow]) -> Finding | None:
    present = [row for row in rows if row.components]
    convincing = [
        row
        for row in present
        if (row.confidence is None or row.confidence >= CONVINCING)
        and "implausible_volume" not in row.flags
    ]
    if not present or len(rows) < 2 * FEWEST_ORGANS or len(convincing) >= FEWEST_ORGANS:
        return None
    said = (
        f"only {len(convincing)} of the organs found are convincing: the scan may show no abdomen "
        "(a limb, a head, a phantom, an animal), or a small part of one"
    )
    return Finding("few_organs", said)


def _small_body(scan: Scan) -> Finding | None:
    if not 0 < scan.width_mm < SMALLEST_MM[0] and not 0 < scan.depth_mm < SMALLEST_MM[1]:
        return None
    said = (
        f"the body in the image measures {scan.width_mm:.0f} x {scan.depth_mm:.0f} mm: a child, a "
        "limb, an animal, or a part that was cut out; FlareSeg was made for adults"
    )
    return Finding("small_body", said)


def _upside_down(rows: Mapping[str, OrganRow], scan: Scan) -> Finding | None:
    """Kidneys over liver and spleen, or lungs at the lower end alone.

    So has a chest without an abdomen, but no whole organ.
    """
    if _is_reversed(rows, 2):
        said = "organs lie in reverse, head to foot: it may be upside down (order of the slices)"
        return Finding("upside_down", said)
    abdominal = [rows[key] for key in ("liver", "spleen", "stomach") if key in rows]
    is_full = any(row.state == "whole" for row in abdominal)
    if scan.air_low < LUNGS or scan.air_high > NO_LUNGS or not is_full:
        return None
    said = "lungs lie at the lower end of the scan: it may be upside down (order of the slices)"
    return Finding("upside_down", said)


def _turned(rows: Mapping[str, OrganRow], scan: Scan) -> Finding | None:
    if scan.bone >= 0.005 and scan.bone_behind < BONE_IN_FRONT:
        said = "bone lies in front of the middle of the body: front and back may be swapped"
        return Finding("front_to_back", said)
    if _is_reversed(rows, 1):
        said = "organs lie in reverse, front to back: front and back may be swapped"
        return Finding("front_to_back", said)
    return None


def _is_reversed(rows: Mapping[str, OrganRow], axis: int) -> bool:
    right, wrong = orders(rows, axis)
    return wrong > max(right, LEAST_REVERSED)


def _mirrored(rows: Mapping[str, OrganRow]) -> Finding | None:
    """A network that knows where a liver lies calls the left part of a mirrored one spleen."""
    both = [rows[key] for key in ("liver", "spleen") if key in rows and rows[key].components]
    aorta = rows["aorta"].centroid_mm if "aorta" in rows else None
    if len(both) < 2 or not aorta:
        return None
    total = sum(row.volume_ml for row in both)
    middle = sum(row.volume_ml * row.centroid_mm[0] for row in both if row.centroid_mm) / total
    if middle - aorta[0] < LEFT_MM:
        return None
    said = "liver and spleen together lie left of the aorta: left and right may be swapped"
    return Finding("mirrored", said)


def _unusual_hu(rows: Mapping[str, OrganRow], scan: Scan) -> Finding | None:
    said = []
    for key, (low, high) in USUAL_HU.items():
        core = rows[key].core_hu if key in rows else None
        if core and not low <= core.median <= high:
            said.append(f"{rows[key].name} {core.median:.0f}")
    if scan.fat < LEAST_FAT:
        low, high = FAT_HU
        said.append(f"{scan.fat:.0%} of the body at {low} to {high}, where fat is")
    if not said:
        return None
    words = f"HU are unusual ({', '.join(said)}): a wrong scale or offset, a cone-beam CT, or no CT"
    return Finding("unusual_hu", words)


def _very_noisy(scan: Scan) -> Finding | None:
    if scan.noise_hu < NOISE_HU:
        return None
    said = (
        f"the scan is very noisy ({scan.noise_hu:.0f} HU between neighbours): a cone-beam CT, a "
        "very low dose, or a sharp kernel"
    )
    return Finding("very_noisy", said)
