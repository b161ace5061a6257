"""How nnU-Net treats an image for one of its networks: what of its plan matters for the labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.geometry import Zyx

Normalization = Literal["clip", "z_score", "z_score_in_mask", "to_0_1", "none"]
STORED = "stored"
"""Orientation of arrays that are taken as they lie in the file."""
COARSE_RATIO = 3.0
"""An axis is coarse if its spacing is more than this times the finest (nnU-Net)."""
_AXES = re.compile(r"(?=.*[RL])(?=.*[AP])(?=.*[SI])[RLAPSI]{3}")


@dataclass(frozen=True)
class Recipe:
    """What nnU-Net does before and after the network; axes are the network's unless it is said."""

    normalization: Normalization = "clip"
    """clip: hu_range, hu_mean and hu_sd of the model; z_score: mean and SD of the image, or of
    what is not 0 in it and its holes; to_0_1: by least and largest; none."""
    axes: Zyx = (0, 1, 2)
    """Axis of the image (z, y, x) that each axis of the network is: nnU-Net's transpose_forward."""
    orientation: str = STORED
    """Letters toward which x, y and z of the image grow, such as RAS; stored: as in the file."""
    is_2d: bool = False
    """Slices along the first axis keep their spacing, each is a window."""
    order: int = 3
    """Of the spline that resamples the image."""
    order_z: int = 0
    """The same along the coarse axis, where that is resampled apart."""
    logits_order: int = 1
    """0 or 1: nearest or linear, of logits on their way back."""
    logits_order_z: int = 0
    """The same along the coarse axis."""
    separate_z: bool | None = None
    """Whether the coarse axis is resampled apart; None: if it is over 3 times as coarse."""
    has_regions: bool = False
    """Each class is a region with a logit of its own; of those over 0 the last one wins."""

    def __post_init__(self) -> None:
        wrong = (
            self.normalization not in get_args(Normalization)
            or sorted(self.axes) != [0, 1, 2]
            or not (self.orientation == STORED or _AXES.fullmatch(self.orientation))
            or not {self.order, self.order_z} <= {0, 1, 2, 3}
            or not {self.logits_order, self.logits_order_z} <= {0, 1}
            or self.separate_z not in (None, True, False)
        )
        if wrong:
            raise ModelError(f"model.json has a recipe that is none ({self}): restore it")


def to_recipe(facts: Any) -> Recipe | None:
    """Return the recipe in an object of JSON, its lists made tuples; None if there is none.

    Raises:
        ModelError: It has an unknown key or value.
    """
    if facts is None:
        return None
    known = {item.name for item in fields(Recipe)}
    if not isinstance(facts, dict) or set(facts) - known:
        raise ModelError(f"model.json has the recipe {str(facts)[:80]}: made by a newer FlareSeg?")
    found: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
    return Recipe(**found)


def apart_axis(
    old_mm: tuple[float, ...], new_mm: tuple[float, ...], separate: bool | None
) -> int | None:
    """Return the coarse axis if it is to be resampled apart from the others, else None.

    Args:
        old_mm: Spacing given, by axis.
        new_mm: Spacing wanted.
        separate: True or False: always or never; None: if one of both is over 3 times as coarse
            along its coarsest axis as along its finest.
    """
    if separate is False:
        return None
    choices = [old_mm, new_mm] if separate is None else [old_mm]
    for spacing in choices:
        if separate or max(spacing) / min(spacing) > COARSE_RATIO:
            axes = [i for i, mm in enumerate(spacing) if mm == max(spacing)]
            return axes[0] if len(axes) == 1 else None
    return None
