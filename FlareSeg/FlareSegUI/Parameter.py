"""What a user can choose: kept in the scene, and bound to the widgets of the panel by name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from FlareSegUI.RunFiles import CT, DOUBT, LABELMAP, REPORT

ALL_ORGANS = "all"
"""As --organs of the command."""
FORMATS = {
    "Slicer (.seg.nrrd)": ".seg.nrrd",
    "NIfTI (.nii.gz)": ".nii.gz",
    "DICOM SEG (.dcm)": ".dcm",
}
"""Of a batch: as the panel shows them, and as --format of the command."""


@dataclass(frozen=True)
class Options:
    """The choices of one run, as the command takes them."""

    speed: str = "balanced"
    """fast, balanced or accurate."""
    organs: str = ALL_ORGANS
    """Organ keys with commas between, or "all"."""
    threads: int = 0
    """At most so many; 0 is automatic."""
    runtime: str = "auto"
    """auto, onnxruntime or openvino."""
    cleanUp: bool = True
    """Apply the clean-up rules."""
    model: Path | None = None
    """Model folder; None is the one that ships."""
    surfaces: bool = True
    """Make the surfaces for 3-D views in the worker; without, Slicer makes them when they are
    shown."""

    doubt: bool = False
    """Tell how unsure the network is at each voxel too: a volume beside the segmentation."""

    def toArguments(self) -> list[str]:
        """Return the words for the command."""
        words = ["--speed", self.speed, "--organs", self.organs or ALL_ORGANS]
        words += ["--threads", str(self.threads), "--runtime", self.runtime]
        words += [] if self.cleanUp else ["--no-cleanup"]
        words += ["--model", str(self.model)] if self.model else []
        return words

    def toRun(self) -> list[str]:
        """Return the words for the worker that segments the CT in its folder."""
        files = [CT, "-o", LABELMAP, "--report", REPORT]
        more = ["--surfaces"] * self.surfaces
        files += ["--uncertainty", DOUBT] * self.doubt
        return ["segment", *files, "--progress", "json", *self.toArguments(), *more]


@parameterNodeWrapper
class FlareSegParameterNode:
    """The state of the panel; it is saved with the scene."""

    inputVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode
    allFrames: bool = False
    speed: Annotated[str, Choice(["fast", "balanced", "accurate"])] = "balanced"
    organs: str = ALL_ORGANS
    show3D: bool = True
    showDoubt: bool = False
    colors: Annotated[str, Choice(["FlareSeg", "Slicer"])] = "FlareSeg"
    threads: Annotated[int, WithinRange(0, 64)] = 0
    runtime: Annotated[str, Choice(["auto", "onnxruntime", "openvino"])] = "auto"
    cleanUp: bool = True
    modelFolder: str = ""
    batchInput: str = ""
    batchOutput: str = ""
    batchSkipExisting: bool = True
    batchFormat: Annotated[str, Choice(list(FORMATS))] = "Slicer (.seg.nrrd)"

    def options(self) -> Options:
        """Return the choices for the next run."""
        model = Path(self.modelFolder) if self.modelFolder else None
        chosen = (self.speed, self.organs, self.threads, self.runtime, self.cleanUp, model)
        return Options(*chosen, doubt=self.showDoubt)
