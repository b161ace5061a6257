"""Packages that FlareSeg needs and Slicer lacks, in a folder of FlareSeg's own.

onnxruntime (and OpenVINO, for who chooses it) goes into the user's folder of settings, and only the
worker process looks there. So Slicer's own Python never changes, nothing has to be restarted, an
installation that is read-only or shared by many users is no matter, and removing is one button.
The wheels are installed without what they depend on: of that the worker uses only NumPy, which
Slicer has.
"""

import os
import platform
import re
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import slicer
from slicer.i18n import tr as _

RESOURCES = Path(__file__).resolve().parents[1] / "Resources"
ANSWER = "FLARESEG_INSTALL"
"""Variable that answers the question whether to install, before it is asked: 1 yes, 0 no."""
LEAST_DICOM = {"highdicom": "0.27", "pydicom": "3.0"}
"""Of the packages that Slicer 5.12 brings; those of Slicer 5.10 are older or not there."""
_PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"


class PackageError(RuntimeError):
    """A package is missing and cannot be installed; says what to do."""


class Declined(PackageError):
    """The user does not want the package installed: no error, it is asked again next time."""


def ownFolder() -> Path:
    """Return where the packages are: of this user, this kind of Python and this processor."""
    place = re.sub(r"\W+", "_", f"{_PYTHON}-{sysconfig.get_platform()}-{platform.machine()}")
    return Path(slicer.app.slicerUserSettingsFilePath).parent / "FlareSeg" / "Packages" / place


def removePackages() -> None:
    """Delete all that FlareSeg installed."""
    shutil.rmtree(ownFolder(), ignore_errors=True)


def inOwnFolder() -> list[str]:
    """Return names and versions of what FlareSeg installed."""
    found = metadata.distributions(path=[str(ownFolder())])
    return sorted(f"{distribution.name} {distribution.version}" for distribution in found)


@dataclass(frozen=True)
class Wanted:
    """What a run needs besides Slicer."""

    requirement: str
    """As in a file of requirements: onnxruntime>=1.17."""

    @property
    def name(self) -> str:
        """The name of the package."""
        return re.match(r"[\w.-]+", self.requirement)[0]

    @property
    def isThere(self) -> bool:
        """Return whether FlareSeg's folder, or Slicer's Python, has it."""
        return _version(self.name, [str(ownFolder())]) is not None or _isMet(self.requirement)


def pipArguments(packages: Sequence[Wanted], wheels: Path | None = None) -> list[str]:
    """Return the words for the worker: fetch the packages from PyPI, or from a folder of wheels.

    They go beside FlareSeg's folder first; accept() takes them over when all went well.
    """
    words = ["pip", "install", "--no-deps", "--no-input", "--disable-pip-version-check"]
    words += ["--only-binary=:all:", "--no-cache-dir", "--upgrade", "--target", str(_newFolder())]
    words += ["--no-index", "--find-links", str(wheels)] if wheels else []
    return [*words, *(wanted.requirement for wanted in packages)]


def accept() -> None:
    """Take over what pip has put into the new folder, in place of older versions."""
    own, new = ownFolder(), _newFolder()
    own.mkdir(parents=True, exist_ok=True)
    names = {distribution.name for distribution in metadata.distributions(path=[str(new)])}
    for old in own.glob("*.dist-info"):
        if metadata.Distribution.at(old).name in names:
            shutil.rmtree(old, ignore_errors=True)
    for path in new.iterdir():
        shutil.rmtree(own / path.name, ignore_errors=True)
        (own / path.name).unlink(missing_ok=True)
        path.rename(own / path.name)
    reject()


def reject() -> None:
    """Remove what an installation that failed or was cancelled has begun."""
    shutil.rmtree(_newFolder(), ignore_errors=True)


def _newFolder() -> Path:
    return ownFolder().with_name(f"{ownFolder().name}.new")


def wantedFor(runtime: str) -> list[Wanted]:
    """Return what a runtime needs: onnxruntime always, OpenVINO where it is chosen."""
    names = ["requirements.txt"] + ["requirements-openvino.txt"] * (runtime == "openvino")
    lines = [line for name in names for line in _lines(RESOURCES / name)]
    return [Wanted(line) for line in lines]


def missing(runtime: str) -> list[Wanted]:
    """Return what has to be installed first."""
    return [wanted for wanted in wantedFor(runtime) if not wanted.isThere]


def mayInstall(packages: Sequence[Wanted], *, answer: bool | None = None) -> None:
    """Ask the user, unless the answer is known.

    Args:
        packages: What would be installed.
        answer: True and False say what a script wants; None leaves it to the variable
            FLARESEG_INSTALL, and then to the user.

    Raises:
        Declined: The answer is no, or nobody can be asked.
    """
    names = ", ".join(wanted.name for wanted in packages)
    if answer is None and os.environ.get(ANSWER):
        answer = os.environ[ANSWER].lower() in ("1", "yes", "true")
    if answer is None and not _canAsk():
        text = _(
            "FlareSeg needs {names}, and nobody can be asked here: call process(..., install=True) "
            "or set {variable}=1"
        )
        raise Declined(text.format(names=names, variable=ANSWER))
    if answer is None:
        answer = slicer.util.confirmOkCancelDisplay(_question(names), windowTitle="FlareSeg")
    if not answer:
        text = _("FlareSeg needs {names} for this; it asks again the next time")
        raise Declined(text.format(names=names))


def _question(names: str) -> str:
    return _(
        "FlareSeg needs {names} (fetched from PyPI, 15 to 60 MB). It goes into FlareSeg's own "
        "folder; Slicer's Python is not changed, and Advanced has a button that removes it again. "
        "Install now?"
    ).format(names=names)


def _canAsk() -> bool:
    return not slicer.app.testingEnabled() and slicer.util.mainWindow() is not None


def whyNotDicom() -> str | None:
    """Return why this Slicer cannot write DICOM SEG, for people; None if it can.

    What Slicer brings is used as it is: to replace pydicom would break Slicer's own modules.
    """
    for name, least in LEAST_DICOM.items():
        if not _isMet(f"{name}>={least}"):
            return _(
                "DICOM SEG needs {name} {least} or later, which Slicer 5.12 brings; this Slicer "
                "has {found}. Choose another format, or use Slicer 5.12"
            ).format(name=name, least=least, found=_version(name) or _("none"))
    return None


def _reasons() -> list[tuple[str, str]]:
    """Return what pip writes, and what it means."""
    return [
        (r"No space left|Errno 28", _("the disk is full: make room for 300 MB")),
        (
            r"Permission denied|Errno 13|Read-only|Errno 30",
            _("the folder {folder} cannot be written"),
        ),
        (
            r"(?i)ProxyError|ConnectTimeout|NewConnection|name resolution|getaddrinfo|SSLError|"
            r"Network is unreachable|Connection refused|ReadTimeout|Max retries",
            _("PyPI cannot be reached: check network and proxy, or install from wheels (Advanced)"),
        ),
        (
            r"No matching distribution|not a supported wheel|Could not find a version",
            _("no wheel of it fits this computer ({python}, {platform})"),
        ),
    ]


def reasonOf(lines: Sequence[str], packages: Sequence[Wanted]) -> str:
    """Return why pip failed, for people."""
    text, names = "\n".join(lines), ", ".join(wanted.name for wanted in packages)
    last = next((line for line in reversed(lines) if line.strip()), _("see the log"))
    facts = {"folder": ownFolder(), "python": _PYTHON, "platform": sysconfig.get_platform()}
    known = (reason.format(**facts) for what, reason in _reasons() if re.search(what, text))
    said = _("{names} could not be installed: {reason}")
    return said.format(names=names, reason=next(known, last))


def _lines(requirements: Path) -> list[str]:
    lines = [line.strip() for line in requirements.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _isMet(requirement: str) -> bool:
    """Return whether Slicer's Python has what a requirement such as onnxruntime>=1.17 asks for."""
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    found = _version(wanted.name)
    return found is not None and wanted.specifier.contains(found, prereleases=True)


def _version(name: str, path: list[str] | None = None) -> str | None:
    """Return the version of a package of Slicer's Python, or of one in these folders."""
    more = {"path": path} if path else {}
    found = next(iter(metadata.distributions(name=name, **more)), None)
    return found.version if found else None
