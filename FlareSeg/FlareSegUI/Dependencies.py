"""onnxruntime: the only package that FlareSeg needs and Slicer lacks; highdicom for DICOM SEG only.

Installed with consent, when they are used first.
"""

import re
import subprocess
from importlib import metadata
from pathlib import Path

import slicer
from slicer.i18n import tr as _


class DependencyError(RuntimeError):
    """A package is missing, because it was refused or because its installation failed."""


def ensureDependencies(requirements: Path) -> None:
    """Install what the file asks for and this Python lacks, if the user agrees.

    Slicer 5.12 has slicer.packaging for this, which asks, shows progress and skips what is there;
    Slicer 5.10 has pip_install only.

    Raises:
        DependencyError: The user refused, or pip failed.
    """
    names = ", ".join(re.match(r"[\w.-]+", line)[0] for line in _lines(requirements))
    try:
        if hasPackaging():
            wanted = slicer.packaging.load_requirements(str(requirements))
            slicer.packaging.pip_ensure(wanted, requester="FlareSeg")
        else:
            _ensureWithPip(requirements)
    except subprocess.CalledProcessError as error:
        raise DependencyError(
            _(
                "{name} could not be installed (pip ended with {code}): check the network and "
                "proxy, or install it by hand from the Python console with "
                'slicer.util.pip_install("{name}")'
            ).format(name=names, code=error.returncode)
        ) from error
    except RuntimeError as error:
        text = _("FlareSeg cannot do this without {name}: it asks again next time. ({reason})")
        raise DependencyError(text.format(name=names, reason=error)) from error


def hasPackaging() -> bool:
    """Return whether this Slicer has slicer.packaging (5.12 and later)."""
    try:
        import slicer.packaging
    except ImportError:
        return False
    return hasattr(slicer.packaging, "pip_ensure")


def _ensureWithPip(requirements: Path) -> None:
    missing = [line for line in _lines(requirements) if not _isMet(line)]
    if not missing:
        return
    question = _("FlareSeg needs {packages} (at most 80 MB installed). Install now?").format(
        packages=", ".join(missing)
    )
    if not slicer.util.confirmOkCancelDisplay(question, windowTitle="FlareSeg"):
        raise RuntimeError(_("The installation was refused"))
    slicer.util.pip_install(missing)


def _lines(requirements: Path) -> list[str]:
    lines = [line.strip() for line in requirements.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _isMet(line: str) -> bool:
    """Return whether a requirement such as onnxruntime>=1.17 is met."""
    from packaging.requirements import Requirement

    wanted = Requirement(line)
    try:
        return wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False
