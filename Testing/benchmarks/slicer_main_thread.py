"""Seconds that Slicer's main thread is busy before, after and around a run of 512 x 512 x 532.

    .venv-rig/bin/python -m Testing.benchmarks.slicer_main_thread

In the rig of the Slicer module: real MRML, segmentation and VTK classes, no views, so nothing is
drawn. What the worker does is not counted. Each line is one step: between two of them Slicer's
window answers.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from Testing.phantoms import abdomen
from Testing.slicer.conftest import MODULE, to_node
from Testing.slicer.rig import boot

SHAPE, SPACING_MM = (532, 512, 512), (0.8, 0.74, 0.74)
LIMIT_SECONDS = 0.3


def timed(name: str, work: Callable[[], object]) -> object:
    """Print how long a step takes, by the clock and in this thread, and mark a long one."""
    began, busy = time.perf_counter(), time.thread_time()
    found = work()
    busy, seconds = time.thread_time() - busy, time.perf_counter() - began
    mark = "! " if seconds > LIMIT_SECONDS else "  "
    print(f"{seconds:7.2f} s {busy:7.2f} s  {mark}{name}", flush=True)
    return found


def write_run(folder: Path, labels: object, truth: object) -> None:
    """Write into a folder what the worker leaves there."""
    from flareseg_handover import hand_over
    from FlareSegUI.RunFiles import DOUBT, LABELMAP, REPORT

    from FlareSegLib.images.writing import write_labelmap

    write_labelmap(truth, folder / LABELMAP)
    doubt = type(truth)((truth.array > 0).astype(np.uint8) * 7, truth.grid)
    write_labelmap(doubt, folder / DOUBT)
    rows = [
        {"key": one.key, "name": one.name, "value": one.value, "volume_ml": 1.0, "mean_hu": 40.0}
        | {"flags": {}}
        for one in labels.organs
    ]
    model = {"name": "phantom", "version": "0", "sha256": "0"}
    run = {"model": model, "speed": "fast", "versions": {"flareseg": "0"}}
    report = {"run": run, "created": "today", "organs": rows, "flags": {}, "warnings": []}
    (folder / REPORT).write_text(json.dumps(report), encoding="utf-8")
    hand_over(folder, surfaces=True)


def main() -> None:
    """Measure."""
    boot.start()
    module = boot.loadModule("FlareSeg", MODULE)
    sys.path.append(str(MODULE.parent / "Scripts"))
    from FlareSegUI import Checks, Colors, Export, Layers, Nodes, Result

    from FlareSegLib.base.label_file import default_labels

    labels, folder = default_labels(), Path(tempfile.mkdtemp())
    volume, truth = abdomen(SHAPE, SPACING_MM)
    ct = to_node(volume)
    del volume
    write_run(folder, labels, truth)
    panel = module.FlareSegWidget(boot.newParent())
    panel.setup()
    panel._parameterNode.inputVolume = ct
    print("Before the run")
    timed("look at all voxels", lambda: Checks.whyNotEver(ct))
    timed("hand the CT over", lambda: Nodes.writeVolume(ct, folder / "ct.nrrd"))
    print("At its end")
    found = timed("read the result", lambda: Result.toScene(folder, ct, None, labels))
    timed(
        "bind it to the panel",
        lambda: panel._parameterNode.__setattr__("outputSegmentation", found),
    )
    timed("colors", lambda: Colors.paint(found, labels, "FlareSeg"))
    timed("surfaces", lambda: Nodes.show3D(found, True, print))
    timed("all that the panel does", panel.runs.result.showNew)
    print("Export…")
    for form in [one for one in Export.FORMATS.values() if not Export.byWorker(found, ct, one)]:
        timed(form, lambda form=form: Export.export(found, ct, form, folder / form))
    timed("labelmap or DICOM, by the worker", lambda: Layers.write(folder, found, ct))
    panel.cleanup()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
