"""The program with one step done in a plain way: what each step to be fast is measured against.

    python -m Testing.benchmarks.plain WAY segment CT -o OUT ...

Every plain way is a few lines of our own on libraries, as many programs do it. What it needs is
imported in it, so that the other ways do not pay for that.
"""

from __future__ import annotations

import dataclasses
import sys
import zlib
from collections.abc import Callable

from FlareSegLib.command import main as command
from FlareSegLib.command import segment
from FlareSegLib.images import safe_read


def not_ahead() -> None:
    """Unpack the CT and import the runtime when all else is imported, one after the other."""
    from FlareSegLib.inference import runtimes

    safe_read.unpack_ahead = lambda path: None
    runtimes.import_module = lambda name: None


def read_in_simpleitk() -> None:
    """Let ITK unpack the CT."""
    not_ahead()
    safe_read._content = lambda header: None


def zlib_only() -> None:
    """Leave out isal, the extra [speed]."""
    safe_read._unpacker = zlib


def import_scipy() -> None:
    """Import those parts of SciPy at the start that find pieces, distances and mixed voxels."""
    import scipy.ndimage
    import scipy.sparse
    import scipy.spatial  # noqa: F401


def whole_plane() -> None:
    """Look for no body."""
    from FlareSegLib.preprocessing import body

    body.body_box = lambda volume: volume.grid.box


def resample_in_simpleitk(interpolator: str = "sitkLinear") -> None:
    """SimpleITK's linear interpolation, then a pass to normalize."""
    import numpy as np
    import SimpleITK as sitk

    from FlareSegLib.base.geometry import Volume
    from FlareSegLib.preprocessing import resample

    def to_spacing(volume, spacing_mm, threads, finish):
        grid = resample.grid_at(volume.grid, spacing_mm)
        ratio = [new / old for new, old in zip(spacing_mm, volume.grid.spacing_mm, strict=True)]
        resampler = sitk.ResampleImageFilter()
        resampler.SetNumberOfThreads(threads)
        resampler.SetInterpolator(getattr(sitk, interpolator))
        resampler.SetUseNearestNeighborExtrapolator(True)
        resampler.SetOutputPixelType(sitk.sitkFloat32)
        resampler.SetSize(grid.shape[::-1])
        resampler.SetOutputSpacing(ratio[::-1])
        resampler.SetOutputOrigin([0.5 * step - 0.5 for step in reversed(ratio)])
        image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
        found = sitk.GetArrayFromImage(resampler.Execute(image))
        finish(found)
        return Volume(found, grid)

    resample.to_spacing = to_spacing


def cubic_splines() -> None:
    """Resample by cubic splines, as nnU-Net does."""
    resample_in_simpleitk("sitkBSpline")


def small_windows() -> None:
    """Windows of the shape that the network was trained on, half overlapping, Gaussian weights."""
    from FlareSegLib.inference import sliding, windows

    def plan(shape, config, options, area=None):
        return windows._lay_out(shape, config, config.fine_overlap, is_fine=True)

    windows.plan = plan
    sliding.Sliding._looked = sliding.Sliding._stitched


def spinning() -> None:
    """Onnxruntime's own choice: threads that wait are busy."""
    import onnxruntime

    onnxruntime.SessionOptions.add_session_config_entry = lambda *_: None


def no_arena() -> None:
    """Give memory back to the system after each layer."""
    import onnxruntime

    real = onnxruntime.InferenceSession

    def opened(content, options, providers):
        options.enable_cpu_mem_arena = False
        return real(content, options, providers=providers)

    onnxruntime.InferenceSession = opened


def openvino_float32() -> None:
    """OpenVINO without bfloat16."""
    import openvino

    real = openvino.Core.compile_model
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    openvino.Core.compile_model = lambda self, model, device, hints: real(
        self, model, device, {**hints, **precision}
    )


def nearest_labels() -> None:
    """Take the nearest label of the network's grid at each voxel."""
    import numpy as np

    from FlareSegLib.postprocessing import restore

    def to_labels(logits, logits_spacing_mm, target, threads, config):
        sizes = target.grid.shape, target.grid.spacing_mm, logits_spacing_mm, logits.shape[:3]
        z, y, x = (
            np.minimum(((np.arange(n) + 0.5) * mm / other).astype(int), m - 1)
            for n, mm, other, m in zip(*sizes, strict=True)
        )
        target.array[...] = logits.argmax(axis=-1)[np.ix_(z, y, x)]

    restore.to_labels = to_labels


def clean_by_voxels() -> None:
    """SciPy's search for the pieces and holes of each organ, in its bounding box."""
    import numpy as np
    from scipy import ndimage

    from FlareSegLib.postprocessing import cleanup
    from Testing.flare import ORGANS

    def boxes(labels):
        found = ndimage.find_objects(labels, max_label=len(ORGANS))
        return [(organ, labels[box]) for organ, box in zip(ORGANS, found, strict=True) if box]

    def clean(labels, spacing_mm, organs, hu):
        removed_ml, voxel_ml = {}, float(np.prod(spacing_mm)) / 1000
        for organ, inside in boxes(labels):
            pieces, _ = ndimage.label(inside == organ.value, np.ones((3, 3, 3)))
            ml = np.bincount(pieces.ravel()) * voxel_ml
            ml[0] = 0
            islands = (pieces > 0) & ~_keeps(organ, pieces, ml, spacing_mm)[pieces]
            if islands.any():
                inside[islands] = 0
                removed_ml[organ.key] = np.count_nonzero(islands) * voxel_ml
        for organ, inside in boxes(labels):
            if organ.fill_holes:
                filled = ndimage.binary_fill_holes(inside == organ.value)
                inside[filled & (inside == 0)] = organ.value
        return removed_ml

    cleanup.clean = clean


def _keeps(organ, pieces, ml, spacing_mm):
    """Return whether the rules of an organ keep each of its pieces."""
    import numpy as np
    from scipy import ndimage

    from FlareSegLib.postprocessing import cleanup

    largest = int(ml.argmax())
    kept = np.zeros(ml.size, bool)
    kept[largest] = ml[largest] >= cleanup.LEAST_ORGAN * organ.least_island_ml
    others = np.flatnonzero(ml >= organ.least_island_ml)
    if organ.keep == "near" and kept[largest] and len(others) > 1:
        far_mm = ndimage.distance_transform_edt(pieces != largest, spacing_mm)
        kept[others[ndimage.minimum(far_mm, pieces, others) <= organ.reach_mm]] = True
    return kept


def measure_by_voxels() -> None:
    """Measure a mask of each organ, in its bounding box."""
    import numpy as np
    from scipy import ndimage

    from FlareSegLib import pipeline
    from FlareSegLib.measuring.measure import Measured
    from FlareSegLib.measuring.rows import OrganRow
    from Testing.flare import ORGANS

    def row(organ, box, labelmap, hu):
        found = OrganRow(organ.key, organ.name, organ.value)
        if box is None:
            return dataclasses.replace(found, flags=("absent",))
        mask = labelmap.array[box] == organ.value
        values = hu.array[box][mask]
        at = zip(ndimage.center_of_mass(mask), box, strict=True)
        z, y, x = (float(middle) + edge.start for middle, edge in at)
        return dataclasses.replace(
            found,
            volume_ml=values.size * hu.grid.voxel_ml,
            mean_hu=float(values.mean(dtype=float)),
            sd_hu=float(values.std(dtype=float)),
            centroid_mm=hu.grid.to_world((z, y, x)),
            components=int(ndimage.label(mask, np.ones((3, 3, 3)))[1]),
        )

    def measure(labelmap, hu, labels):
        boxes = ndimage.find_objects(labelmap.array, max_label=len(ORGANS))
        rows = tuple(row(one, boxes[one.value - 1], labelmap, hu) for one in ORGANS)
        return Measured(rows, ())

    pipeline.measure = measure


def without_trust() -> None:
    """Tell volumes and mean HU alone: no confidence, findings, phase, cores, derived numbers."""
    from FlareSegLib import pipeline
    from FlareSegLib.inference.looks import Looks
    from FlareSegLib.measuring import hu, measure, trust

    def spread(values):
        mean, sd = values.mean(dtype=float), values.std(dtype=float)
        return hu.Hu(float(mean), float(sd), 0.0, 0.0, 0.0)

    measure.spread, measure.core_of, measure.derived = spread, lambda *_: None, lambda *_: ()
    pipeline.evidence = pipeline.scan_of = lambda *_: None
    pipeline.trusted = lambda measured, *_: trust.untold(measured)
    Looks.see = lambda *_: None


AT_START: tuple[Callable[[], None], ...] = (not_ahead, read_in_simpleitk, zlib_only, import_scipy)
"""The others are taken when the CT is being unpacked already."""


def main() -> int:
    """Run the command with one step changed."""
    way, words = globals()[sys.argv[1]], sys.argv[2:]
    if way in AT_START:
        way()
        return command.main(words)
    real = segment._segment

    def changed(*args):
        way()
        return real(*args)

    segment._segment = changed
    return command.main(words)


if __name__ == "__main__":
    sys.exit(main())
