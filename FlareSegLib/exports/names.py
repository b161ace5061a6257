"""What the values of a labelmap mean, in files beside it: for BIDS and for ITK-SNAP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.labels import Organ

_SNAP_HEAD = (
    "################################################\n"
    "# ITK-SnAP Label Description File\n"
    "# Columns: IDX -R- -G- -B- -A- VIS MSH LABEL\n"
    "################################################\n"
    '    0     0    0    0        0  0  0    "Clear Label"\n'
)


def write_bids(organs: Sequence[Organ], path: Path) -> None:
    """Write a table as BIDS has it beside a dseg image: index, name, color, and SNOMED code."""
    lines = ["index\tname\tcolor\tsnomed"]
    for organ in organs:
        color = "#{:02X}{:02X}{:02X}".format(*organ.color)
        lines.append(f"{organ.value}\t{organ.key}\t{color}\t{organ.snomed}")
    with atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_itksnap(organs: Sequence[Organ], path: Path) -> None:
    """Write a label description file, which ITK-SNAP takes under Segmentation > Import Labels."""
    lines = [
        "{:>5} {:>5} {:>4} {:>4}        1  1  1    ".format(organ.value, *organ.color)
        + f'"{organ.name}"'
        for organ in organs
    ]
    with atomic(path) as temporary:
        temporary.write_text(_SNAP_HEAD + "\n".join(lines) + "\n", encoding="utf-8")
