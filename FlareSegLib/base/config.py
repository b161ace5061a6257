"""Facts of a model: what inference needs to know of a network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.geometry import Grid, Zyx, ZyxMm
from FlareSegLib.base.label_file import default_labels, part
from FlareSegLib.base.labels import LabelSet
from FlareSegLib.base.recipe import Recipe
from FlareSegLib.base.resources import large_network_mib
from FlareSegLib.base.run_options import Speed

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
"""What can be part of a file name everywhere."""
SCHEMA_VERSION = 1
"""Of model.json; goes up when an older FlareSeg would misread a model."""


@dataclass(frozen=True)
class ModelConfig:
    """All that inference needs to know of a network."""

    name: str
    """Model id, for reports."""
    version: str
    """Version of the weights."""
    sha256: str
    """Checksum of the ONNX file, hexadecimal."""
    spacing_mm: ZyxMm
    """Voxel spacing (z, y, x) that the network was trained on."""
    window: Zyx
    """Input shape (z, y, x) of the network; of a flat one, the shape that it was written for."""
    labels: tuple[str, ...]
    """Organ key of each class from 1 on; class 0 is background."""
    hu_range: tuple[float, float] = (-1024.0, 3071.0)
    """HU are clipped to this range; this and the next two are not used by recipes without clip."""
    hu_mean: float = 0.0
    """Subtracted after clipping."""
    hu_sd: float = 1.0
    """Divided by after subtracting."""
    logits_stride: int = 1
    """Input voxels per logit along each axis: 2 for half-resolution logits."""
    pad_hu: float = -1024.0
    """HU of padding around the scan."""
    fine_windows_limit: int = 24
    """The fine stride is taken if its plan has at most this many windows, else the coarse one."""
    fine_overlap: float = 0.5
    """Least overlap of neighbouring windows in a fine plan, share of the window."""
    coarse_overlap: float = 0.25
    """Least overlap of neighbouring windows in a coarse plan."""
    onnx: str = "model.onnx"
    """File name of the network, beside model.json."""
    is_flat: bool = False
    """The network takes windows of any size, see flat.py."""
    flips: tuple[tuple[int, ...], ...] = ()
    """Axes (z, y, x) that speed "accurate" reverses in each further look at a window; only for a
    network that was trained on mirrored patches, with logits in the middle of their voxels."""
    fast_onnx: str = ""
    """File name of a network for speed "fast"; empty: there is none of its own."""
    fast_sha256: str = ""
    """Checksum of fast_onnx."""
    accurate_onnx: str = ""
    """File name of a larger network for speed "accurate"; empty: that of "balanced"."""
    accurate_sha256: str = ""
    """Checksum of accurate_onnx."""
    more_onnx: tuple[tuple[str, str], ...] = ()
    """Further networks (file name, checksum), whose logits are averaged with those of `onnx`."""
    recipe: Recipe | None = None
    """How nnU-Net treats an image for this network; None: the ways of FlareSeg."""
    modality: str = "CT"
    """CT: values are checked to be Hounsfield units. Else any word, such as MR."""
    source: str = ""
    """Where the model comes from, for people."""
    licence: str = ""
    citation: str = ""
    is_foreign: bool = field(default=False, compare=False)
    """It does not ship with FlareSeg; no key of model.json, but told by where it lies."""
    is_exact: bool = False
    """All is calculated in 32 bits, as nnU-Net does on a CPU; no key, but told by the speed."""
    onnx_bytes: int = field(default=0, compare=False)
    """Of the file of `onnx`; no key of model.json, but told by the file."""
    schema_version: int = SCHEMA_VERSION
    """Of model.json."""
    label_set: LabelSet = field(default_factory=default_labels, repr=False)
    """The organs of its labels; not in model.json, but in labels.json beside it."""
    confidence: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """Contents of confidence.json beside model.json; None: there is none. See measuring."""

    def __post_init__(self) -> None:
        self._check_texts()
        object.__setattr__(self, "label_set", part(self.label_set, self.labels, self.name))
        if not all(map(_is_finite, self._numbers())):
            raise ModelError(f"model.json of {self.name} has a number that is none: restore it")
        if len(self.spacing_mm) != 3 or len(self.window) != 3 or len(self.hu_range) != 2:
            raise ModelError(
                f"model.json of {self.name}: spacing and window take 3 numbers, hu_range 2"
            )
        if self.hu_range[0] >= self.hu_range[1] or self.logits_stride < 1:
            raise ModelError(f"model.json of {self.name}: hu_range must grow, logits_stride be > 0")
        if min(self.spacing_mm) <= 0 or min(self.window) < 1 or self.hu_sd <= 0:
            raise ModelError(f"model.json of {self.name}: spacing, window and hu_sd must be > 0")
        if not all(axis in (0, 1, 2) for flip in self.flips for axis in flip):
            raise ModelError(
                f"model.json of {self.name}: flips are lists of axes 0, 1, 2 (z, y, x)"
            )
        if not 0 <= self.coarse_overlap <= self.fine_overlap < 1:
            raise ModelError(f"model.json of {self.name}: need 0 <= coarse <= fine overlap < 1")

    def _check_texts(self) -> None:
        """Check the words: name and version become part of a folder's name, onnx is opened."""
        texts = {"name": self.name, "version": self.version}
        texts |= {f"the file {name!r}"[:60]: name for name in self.files}
        for key, text in texts.items():
            if not _PLAIN.fullmatch(text):
                raise ModelError(
                    f"model.json has {key} {text[:60]!r}: only letters, digits and ._+- may be in "
                    "it, restore the model folder"
                )
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ModelError(
                f"model.json of {self.name} has no sha256 of 64 hexadecimal digits: restore the "
                "model folder"
            )
        if not self.labels or not all(isinstance(key, str) for key in self.labels):
            raise ModelError(f"model.json of {self.name} has labels that are no list of names")
        if len(set(self.labels)) != len(self.labels):
            raise ModelError(
                f"model.json of {self.name} has a label twice: give each class its own"
            )

    def _numbers(self) -> tuple[float, ...]:
        sizes = (*self.spacing_mm, *self.window, *self.hu_range, self.hu_mean, self.hu_sd)
        overlaps = (self.fine_overlap, self.coarse_overlap, self.fine_windows_limit)
        return (*sizes, *overlaps, self.logits_stride, self.pad_hu)

    @property
    def files(self) -> dict[str, str]:
        """The networks and their checksums."""
        others = (found for found in self._own.values() if found[0])
        return {self.onnx: self.sha256, **dict(others), **dict(self.more_onnx)}

    @property
    def _own(self) -> dict[Speed, tuple[str, str]]:
        """File and checksum of the networks that speeds have for their own."""
        return {
            "fast": (self.fast_onnx, self.fast_sha256),
            "accurate": (self.accurate_onnx, self.accurate_sha256),
        }

    def at_speed(self, speed: Speed) -> ModelConfig:
        """Return the facts of the network for a speed."""
        onnx, sha256 = self._own.get(speed, ("", ""))
        if onnx:
            return replace(self, onnx=onnx, sha256=sha256, more_onnx=())
        folds = () if speed == "fast" else self.more_onnx
        is_exact = self.recipe is not None and speed == "accurate"
        return replace(self, more_onnx=folds, is_exact=is_exact)

    @property
    def channels(self) -> int:
        """Number of logits of a voxel: of each label, and of the background but for regions."""
        return len(self.labels) + (not (self.recipe and self.recipe.has_regions))

    def patience(self, speed: Speed) -> int:
        """Return how many times as long as a small network's a case may take before it hangs."""
        if self.recipe is None:
            return 1
        looks = 1 + (len(self.flips) if speed == "accurate" else 0)
        return _LARGE_NETWORK * looks * (1 + len(self.at_speed(speed).more_onnx))

    @property
    def told(self) -> dict[str, object]:
        """What a report says of the model."""
        facts = {"name": self.name, "version": self.version, "sha256": self.sha256}
        more = {key: getattr(self, key) for key in ("source", "licence", "citation")}
        return {**facts, **{key: said for key, said in more.items() if said}}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that go with whatever the model finds."""
        return (FOREIGN.format(name=self.name),) if self.is_foreign else ()

    @property
    def is_int8(self) -> bool:
        """Whether the network is the one in int8 that a model may have for speed `fast`."""
        return self.onnx == self.fast_onnx

    @property
    def values(self) -> tuple[int, ...]:
        """Value in a labelmap of each class from 0 on."""
        return (0, *(self.label_set.by_key[key].value for key in self.labels))

    @property
    def tube_classes(self) -> tuple[int, ...]:
        """Classes of organs that run through the scan."""
        is_tube = [self.label_set.by_key[key].is_tube for key in self.labels]
        return tuple(number for number, holds in enumerate(is_tube, start=1) if holds)

    @property
    def logits_per_voxel(self) -> float:
        """Logits of all classes for each voxel of the input."""
        return self.channels / self.logits_stride**3

    @property
    def network_mib(self) -> float:
        """Memory that its networks take if they are of nnU-Net's size; 0 for FlareSeg's own."""
        if self.recipe is None:
            return 0.0
        networks = 1 + len(self.more_onnx)
        return large_network_mib(self.onnx_bytes, networks, math.prod(self.window))

    @property
    def logits_spacing_mm(self) -> ZyxMm:
        """Spacing (z, y, x) of the logits."""
        z, y, x = (self.logits_stride * mm for mm in self.spacing_mm)
        return z, y, x

    def spacing_for(self, grid: Grid) -> ZyxMm:
        """Return the spacing (z, y, x) wanted for a scan; in 2d its slices stay where they are."""
        if self.recipe and self.recipe.is_2d:
            return (grid.spacing_mm[0], *self.spacing_mm[1:])
        return self.spacing_mm

    def logits_spacing_on(self, grid: Grid) -> ZyxMm:
        """Return the spacing (z, y, x) of the logits of an image that was resampled to a grid."""
        z, y, x = (self.logits_stride * mm for mm in grid.spacing_mm)
        return z, y, x

    @property
    def pad_value(self) -> float:
        """Value of padding after normalize(); nnU-Net pads with 0."""
        if self.recipe:
            return 0.0
        low, high = self.hu_range
        return (min(max(self.pad_hu, low), high) - self.hu_mean) / self.hu_sd


_LARGE_NETWORK = 10
"""Times as long as a small one: nnU-Nets of 30 million weights and more."""
FOREIGN = "{name} is a model from elsewhere: FlareSeg's makers have not tested what it finds"
"""For reports and panels."""


def _is_finite(value: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
