"""A scan in which all is as it should be, to be spoilt by tests."""

from dataclasses import replace

import numpy as np

from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.measuring.evidence import Evidence
from FlareSegLib.measuring.hu import Core
from FlareSegLib.measuring.measure import measure
from FlareSegLib.measuring.scan import Scan
from Testing.flare import FLARE
from Testing.phantoms import abdomen

GOOD_SCAN = Scan(
    height_mm=320, slice_mm=4, width_mm=330, depth_mm=230, cut_sides=0, air_low=0.0, air_high=0.3,
    air=0.1, fat=0.35, soft=0.4, bone=0.04, bone_behind=0.1, noise_hu=12,
)  # fmt: skip
GRID = Grid((80, 75, 95), (4.0, 4.0, 4.0))


def evidence_of(organs):
    """Return evidence without doubt anywhere."""
    return Evidence(dict(organs), Labelmap(np.zeros(GRID.shape, np.uint8), GRID))


def phantom_rows():
    """Return the rows of the phantom by key."""
    ct, truth = abdomen(GRID.shape, GRID.spacing_mm)
    return {row.key: row for row in measure(truth, ct, FLARE).organs}


def with_core(row, median, spread=40.0):
    low, high = median - spread / 2, median + spread / 2
    return replace(row, core_hu=Core(median, spread / 2, median, low, high, 4.0))


def gone(row):
    return replace(row, components=0, volume_ml=0.0, centroid_mm=None, flags=("absent",), hu=None,
                   core_hu=None, mean_hu=None)  # fmt: skip
