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

from FlareSegUI.Logic import WORKER, FlareSegLogic  # noqa: E402  after the path is known
from FlareSegUI.Samples import NAME, registerSamples  # noqa: E402
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
        parent.contributors = ["The FlareSeg contributors"]
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
    registerSamples(FOLDER / "Resources" / "Icons", WORKER)


class FlareSegTest(ScriptedLoadableModuleTest):
    """The self test: the sample CT, from Sample Data to segments."""

    def setUp(self) -> None:
        """Start in an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests."""
        self.setUp()
        self.test_TheSampleHasALiver()

    def test_TheSampleHasALiver(self) -> None:
        """A liver of 0.6 to 3.5 litres lies right of the spleen."""
        import SampleData

        self.delayDisplay("Fetch the sample CT")
        volume = SampleData.SampleDataLogic().downloadSamples(NAME)[0]
        self.delayDisplay("Segment it")
        segmentation = FlareSegLogic().process(volume, speed="fast")
        ids = segmentation.GetSegmentation().GetSegmentIDs()
        assert {"liver", "spleen"} <= set(ids), ids
        liver, spleen = (segmentation.GetSegmentCenterRAS(key) for key in ("liver", "spleen"))
        assert liver[0] > spleen[0], (liver, spleen)
        self.delayDisplay("Test passed")
