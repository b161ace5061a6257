"""Seconds from a box or a click to its segment in the panel, in a CT of 512 x 512 x 300 voxels.

    .venv-rig/bin/python -m Testing.benchmarks.slicer_prompt CT

From the moment that a markup was moved to that when the segment and the row of the table are there:
the panel's delay, the process of prompts, what both wait for each other. In the rig of the Slicer
module, so without views: nothing is drawn.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from FlareSegLib.images.reading import to_volume
from Testing.benchmarks.volumes import on_grid
from Testing.slicer.conftest import MODULE, to_node, wait_until
from Testing.slicer.lesions import roi
from Testing.slicer.rig import boot

LARGE, SIDE_MM, ROUNDS = (512, 512, 300), 40.0, 9


def answered(section: object, change: Callable[[], None]) -> float:
    """Change a markup; return the seconds until its answer is shown."""
    before, began = section._history.now, time.perf_counter()
    change()
    section.onMarkups()  # the release of the mouse
    wait_until(
        lambda: section._history.now is not before and section._history.now.answer is not None
    )
    return time.perf_counter() - began


def corrected(panel: object) -> tuple[float, list[float]]:
    """Run FlareSeg, then click about the liver; return seconds to begin, and those of clicks.

    The organs are in 3-D, so the surface of the liver is made anew after each click.
    """
    import slicer
    import vtk

    section, ct = panel.prompts, panel._parameterNode.inputVolume
    parameters = panel._parameterNode
    parameters.speed, parameters.show3D = "fast", True
    panel.ui.applyButton.click()
    wait_until(lambda: not panel.job.isRunning, seconds=300)
    organs = parameters.outputSegmentation
    liver = slicer.util.arrayFromSegmentBinaryLabelmap(organs, "liver", ct)
    k, j, i = np.argwhere(liver)[:: max(1, np.count_nonzero(liver) // ROUNDS)].T
    to_ras = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(to_ras)
    began = time.perf_counter()
    section.correct(organs, "liver")
    begun = time.perf_counter() - began
    seconds = []
    for index in zip(i, j, k, strict=True):
        at = to_ras.MultiplyPoint([*map(float, index), 1.0])[:3]
        section.place("outside")
        add = section._nodes["outside"].AddControlPoint
        seconds.append(answered(section, lambda add=add, at=at: add(vtk.vtkVector3d(*at))))
    return begun, seconds


def main() -> None:
    """Measure."""
    boot.start()
    import slicer
    import vtk

    module = boot.loadModule("FlareSeg", MODULE)
    volume = to_volume(on_grid(sitk.ReadImage(sys.argv[1]), LARGE))
    panel = module.FlareSegWidget(boot.newParent())
    panel.setup()
    panel._parameterNode.inputVolume = to_node(volume)
    middle = np.array(volume.grid.to_world(tuple((n - 1) / 2 for n in volume.grid.shape)))
    middle = middle * (-1, -1, 1)
    section = panel.prompts
    first = answered(section, lambda: roi(section, middle, SIDE_MM))
    box = section._nodes["box"]
    boxes = [
        answered(section, lambda side=SIDE_MM + i: box.SetSize(side, side, side))
        for i in range(1, ROUNDS)
    ]
    section.place("inside")
    at = vtk.vtkVector3d(*np.add(middle, (8, 0, 0)))
    clicks = [
        answered(section, lambda: section._nodes["inside"].AddControlPoint(at))
        for _ in range(ROUNDS)
    ]
    print(f"the first box, with the process's start: {first:.3f} s")
    section.onDone()
    begun, corrections = corrected(panel)
    print(f"an organ, from the menu until it can be clicked: {begun:.3f} s")
    named = (("a box", boxes), ("a click", clicks), ("a click on the liver", corrections))
    for name, seconds in named:
        print(f"{name}: median {statistics.median(seconds):.3f} s, best {min(seconds):.3f} s")
    panel.cleanup()
    slicer.mrmlScene.Clear()


if __name__ == "__main__":
    main()
