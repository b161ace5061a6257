"""Pictures for README and docs, made in the rig (not in Slicer): the panel, and the organs in 3-D.

    python -m Testing.slicer.screenshots CT docs/images

CT is a file with a CT; the weights that ship run on it, in the real worker process.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from Testing.slicer.rig import boot

ROOT = Path(__file__).parents[2]
WIDTHS, SCALE, CAPTION_PIXELS = (360, 600), 1.5, 22
SIZE_3D = (900, 640)
CAPTION = "FlareSeg's panel in its test rig (Qt 6, not Slicer)"
NEW_CASE = 50
"""A phantom that the nnU-Net was not trained on."""
RUNNING_SHARE = 45
"""Percent at which the picture of a run is taken."""


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ct", type=Path)
    parser.add_argument("folder", type=Path)
    words = parser.parse_args()
    words.folder.mkdir(parents=True, exist_ok=True)
    boot.start()
    panel = boot.openModule("FlareSeg", ROOT / "FlareSeg" / "FlareSeg.py")
    panel._parameterNode.inputVolume = load(words.ct)
    shoot(panel, words.folder, "idle")
    panel.ui.applyButton.click()
    wait(lambda: panel.ui.progressBar.value >= RUNNING_SHARE or not panel.job.isRunning)
    shoot(panel, words.folder, "running")
    wait(lambda: not panel.job.isRunning)
    shoot(panel, words.folder, "done")
    for section in (panel.ui.batchSection, panel.ui.advancedSection, panel.ui.logSection):
        section.collapsed = False
    shoot(panel, words.folder, "sections")
    panel._parameterNode.organs = ""
    shoot(panel, words.folder, "reason")
    draw_3d(panel._parameterNode.outputSegmentation, words.folder / "slicer-3d.png")
    shoot_nnunet(panel, words.folder)
    panel.cleanup()


def shoot_nnunet(panel: object, folder: Path) -> None:
    """Save slicer-model.png: a converted nnU-Net after its run on a phantom."""
    from Testing.nnunet.worlds import WORLDS, case
    from Testing.slicer.conftest import to_node

    panel.ui.batchSection.collapsed = panel.ui.logSection.collapsed = True
    panel.ui.advancedSection.collapsed = False
    panel._parameterNode.inputVolume = to_node(case(WORLDS["aniso"], NEW_CASE)[0], "Phantom")
    panel.models.importFrom(ROOT / "Testing" / "nnunet" / "converted" / "aniso")
    panel.ui.applyButton.click()
    wait(lambda: not panel.job.isRunning)
    shoot_at(panel, folder / "slicer-model.png", WIDTHS[1])
    panel.ui.removeModelButton.click()


def load(path: Path) -> object:
    """Return the volume node of a file."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "LIDC-IDRI-0001")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        raise SystemExit(f"{path} cannot be read")
    return node


def wait(true: object) -> None:
    """Let the application live until something holds."""
    import slicer

    while not true():
        slicer.app.processEvents()
        time.sleep(0.01)


def shoot(panel: object, folder: Path, state: str) -> None:
    """Save pictures of the panel: slicer-done.png for a wide one, slicer-done-360.png."""
    narrow, wide = WIDTHS
    shoot_at(panel, folder / f"slicer-{state}-{narrow}.png", narrow)
    shoot_at(panel, folder / f"slicer-{state}.png", wide)


def shoot_at(panel: object, path: Path, width_pixels: int) -> None:
    """Save a picture of the panel with a line that says where it was made."""
    import slicer

    from Testing.slicer.rig import qt

    panel.parent.setFixedWidth(width_pixels)
    panel.parent.show()
    for _ in range(5):
        slicer.app.processEvents()
    panel.parent.setFixedHeight(panel.parent.layout().totalSizeHint().height())
    slicer.app.processEvents()
    size = panel.parent.rect.size()
    width, height = int(size.width() * SCALE), int((size.height() + CAPTION_PIXELS) * SCALE)
    image = qt.QImage(width, height, qt.QImage.Format_RGB32)
    image.setDevicePixelRatio(SCALE)
    image.fill(qt.QColor("#dfe3e7"))
    painter = qt.QPainter(image)
    painter.setPen(qt.QColor("#4a545e"))
    painter.drawText(qt.QRectF(0, 0, size.width(), CAPTION_PIXELS), qt.Qt.AlignCenter, CAPTION)
    panel.parent.render(painter, qt.QPoint(0, CAPTION_PIXELS))
    painter.end()
    image.save(str(path))


def draw_3d(segmentation: object, path: Path) -> None:
    """Save a picture of the closed surfaces that Slicer's segmentation classes make, off screen."""
    import vtk

    renderer = vtk.vtkRenderer()
    renderer.SetBackground(0.07, 0.09, 0.12)
    for key in segmentation.GetSegmentation().GetSegmentIDs():
        surface = vtk.vtkPolyData()
        segmentation.GetClosedSurfaceRepresentation(key, surface)
        renderer.AddActor(actor(surface, segmentation.GetSegmentation().GetSegment(key)))
    camera = renderer.GetActiveCamera()
    camera.SetViewUp(0, 0, 1)  # RAS: the head is up, seen from the front
    camera.SetPosition(-0.25, 1, 0.12)
    camera.SetFocalPoint(0, 0, 0)
    renderer.ResetCamera()
    camera.Zoom(1.3)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(*SIZE_3D)
    window.AddRenderer(renderer)
    window.Render()
    image = vtk.vtkWindowToImageFilter()
    image.SetInput(window)
    writer = vtk.vtkPNGWriter()
    writer.SetInputConnection(image.GetOutputPort())
    writer.SetFileName(str(path))
    writer.Write()


def actor(surface: object, segment: object) -> object:
    """Return an organ as it is shown."""
    import vtk

    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputData(surface)
    mapper.ScalarVisibilityOff()
    shown = vtk.vtkActor()
    shown.SetMapper(mapper)
    shown.GetProperty().SetColor(segment.GetColor())
    shown.GetProperty().SetSpecular(0.25)
    shown.GetProperty().SetSpecularPower(20)
    return shown


if __name__ == "__main__":
    main()
