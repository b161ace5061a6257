"""Figures of changes that two implementations share: training/augment, and training/gpu."""

from __future__ import annotations

# Enhancement in HU over an unenhanced scan, arterial and portal venous, with its spread, by class
# value: ranges of daily radiology (unenhanced liver about 55, spleen 50, kidney 30, aorta 40 HU).
ENHANCEMENT: dict[int, tuple[float, float, float]] = {
    1: (10, 50, 12), 2: (110, 140, 30), 3: (60, 70, 15), 4: (50, 45, 12), 5: (270, 110, 40),
    6: (30, 100, 30), 7: (30, 35, 12), 8: (30, 35, 12), 9: (0, 0, 4), 10: (20, 30, 10),
    11: (10, 15, 15), 12: (25, 35, 15), 13: (110, 140, 30), 14: (10, 25, 20),
}  # fmt: skip
TONE_KNOTS, FLUID_KNOT = (-200.0, -60.0, 20.0, 80.0, 160.0, 320.0), 2
"""HU at which tone() changes its slope, and which of them stays about where it is."""
