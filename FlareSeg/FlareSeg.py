"""The module FlareSeg of 3D Slicer: what Slicer looks for. The work is in FlareSegUI."""

import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

FOLDER = Path(__file__).resolve().parent
if not (FOLDER / "FlareSegLib").is_dir():  # a source tree: the core lies one folder up
    sys.path.append(str(FOLDER.parent))

from FlareSegUI import Nodes, Packages  # noqa: E402  after the path is known
from FlareSegUI.Logic import FlareSegLogic  # noqa: E402
from FlareSegUI.Samples import registerSamples  # noqa: E402
from FlareSegUI.Widget import FlareSegWidget  # noqa: E402

__all__ = ["FlareSeg", "FlareSegLogic", "FlareSegTest", "FlareSegWidget"]
TERMINOLOGY = FOLDER / "Resources" / "Terminologies" / "FlareSeg.term.json"


class FlareSeg(ScriptedLoadableModule):
    """Name, texts, and what is done once when Slicer has started."""

    def __init__(self, parent: object) -> None:
        """Tell Slicer about the module."""
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("FlareSeg")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "Terminologies"]
        parent.contributors = ["The FlareSeg developers"]
        parent.helpText = _(
            "Finds 13 abdominal organs in a CT, on the processor of this computer: choose a CT "
            "volume and press Apply. Nothing leaves the computer. <b>For research only: FlareSeg "
            "is not a medical device.</b> Flags in the table ask a person to look."
        )
        parent.acknowledgementText = _(
            "FlareSeg follows methods of the MICCAI FLARE challenges (Hou et al. 2025, Wang et al. "
            "2024, Huang et al. 2023). Its first weights were distilled from a published network; "
            "see the model card. The sample CT is LIDC-IDRI-0001 (CC BY 3.0)."
        )
        slicer.app.connect("startupCompleted()", onStartupCompleted)


def onStartupCompleted() -> None:
    """Load the terminology, register the sample CT."""
    slicer.modules.terminologies.logic().LoadTerminologyFromFile(str(TERMINOLOGY))
    registerSamples(FOLDER / "Resources" / "Icons")
    registerPlugin()


def registerPlugin() -> None:
    """Add "Segment with FlareSeg" to the menu of volumes in the module Data."""
    import SubjectHierarchyPlugins  # noqa: F401  it puts its folder on the path

    plugin = slicer.qSlicerSubjectHierarchyScriptedPlugin(None)
    plugin.setPythonSource(str(FOLDER / "FlareSegUI" / "FlareSegSubjectHierarchyPlugin.py"))


class FlareSegTest(ScriptedLoadableModuleTest):
    """The self test: a phantom made here, without network, from the volume to segments."""

    def setUp(self) -> None:
        """Start in an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests."""
        for test in (
            self.test_APhantomGoesThroughTheWorkerToSegments,
            self.test_AVolumeThatIsNoCtIsRefused,
        ):
            self.setUp()
            test()

    def test_APhantomGoesThroughTheWorkerToSegments(self) -> None:
        """A ball of tissue: whatever is found lies in it, and the report lies in the node.

        Where onnxruntime is missing the test is skipped: tests install nothing.
        """
        if Packages.missing("onnxruntime"):
            self.delayDisplay("Skipped: onnxruntime is not installed, and tests install nothing")
            return
        volume = self.makePhantom()
        self.delayDisplay("Segment a phantom")
        segmentation = FlareSegLogic().process(volume, speed="fast", install=False)
        report = Nodes.reportOf(segmentation)
        assert len(report["organs"]) > 0, report
        found = sum(row["volume_ml"] for row in report["organs"])
        assert found < 7400, f"{found} ml of organs in a ball of 7.2 l"
        role = segmentation.GetReferenceImageGeometryReferenceRole()
        assert segmentation.GetNodeReference(role) is volume
        self.delayDisplay("Test passed")

    def test_AVolumeThatIsNoCtIsRefused(self) -> None:
        """An empty volume has a reason, not a crash."""
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
        try:
            FlareSegLogic().process(empty, install=False)
        except ValueError as error:
            self.delayDisplay(f"Refused, as it should be: {error}")
            return
        raise AssertionError("an empty volume was not refused")

    def makePhantom(self) -> object:
        """Return a volume node: a ball of 240 mm, tissue in fat in air, voxels of 4 mm."""
        import numpy as np

        z, y, x = np.ogrid[-40:40, -40:40, -40:40]
        radius = np.sqrt(z * z + y * y + x * x)
        array = np.select([radius < 26, radius < 30], [40, -100], -1000).astype(np.int16)
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Phantom")
        slicer.util.updateVolumeFromArray(volume, array)
        volume.SetSpacing(4.0, 4.0, 4.0)
        return volume
