"""FlareSeg's core: from an abdominal CT to 13 organs. Each room is one station of the data.

pipeline.py      all of it, on one screen: read it first
images           files to volumes in HU, labelmaps to files
preprocessing    orientation, the body, the model's spacing, normalised intensity
inference        windows, network, stitching: logits
postprocessing   labels on the grid of the CT, cleaned
measuring        volumes, HU, lengths, flags: what the labels measure
reporting        reports, pictures, the browser
exports          masks, label tables, meshes, DICOM reports: what other programs want
prompting        one thing from a box, a line or clicks; a way of its own
batch            many CTs, in many processes
evaluation       labelmaps against the truth
followup         edited and foreign masks, and two dates
command          the command flareseg
api              the core in a line of Python: segment(), segment_file(), load_model()
base             what all stand on: grids, labels, settings, errors, progress

Imports point down: command, api > batch, evaluation, followup > pipeline, prompting > exports >
reporting > measuring > images, preprocessing, inference, postprocessing > base. Each room's
docstring says what it takes and gives, and what may not be in it. __all__ is what is public;
everything else may move.
"""

from FlareSegLib.base import moved
from FlareSegLib.base.telemetry import telemetry_off

TYPE_CHECKING = False  # as in typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from FlareSegLib.api.segment import Model, Segmentation, load_model, segment, segment_file
    from FlareSegLib.base.errors import (
        Cancelled,
        FlareSegError,
        InputError,
        ModelError,
        OutputError,
        ResourceError,
    )
    from FlareSegLib.base.progress import Step
    from FlareSegLib.reporting.report import Report

__version__ = "0.1.0"

_HOMES = {
    "FlareSegLib.api.segment": ("Model", "Segmentation", "load_model", "segment", "segment_file"),
    "FlareSegLib.base.errors": (
        "Cancelled", "FlareSegError", "InputError", "ModelError", "OutputError", "ResourceError",
    ),
    "FlareSegLib.base.progress": ("Step",),
    "FlareSegLib.reporting.report": ("Report",),
}  # fmt: skip
"""Where each public name lives; it is imported when it is asked for."""
__all__ = [  # noqa: RUF022
    "__version__",
    "Cancelled", "FlareSegError", "InputError", "ModelError", "OutputError", "ResourceError",
    "Model", "Report", "Segmentation", "Step",
    "load_model", "segment", "segment_file",
]  # fmt: skip


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__} has no attribute {name}")


def __dir__() -> list[str]:
    return __all__


telemetry_off()
moved.keep_old_paths()
