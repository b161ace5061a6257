"""Where the files beside the code lie: in the source tree, a wheel and a Slicer extension."""

import glob
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE.parent / "Resources", _PACKAGE / "Resources")

RESOURCES = next((place for place in _PLACES if (place / "Models").is_dir()), _PLACES[0])
"""Folder with Models/ and Cohort/: beside the package in source and Slicer, inside in a wheel."""
DEFAULT_MODEL = RESOURCES / "Models" / "flare13-flat"
"""The model that ships with FlareSeg."""


def is_text(path: Path) -> bool:
    """Return whether a path can be given to ITK, which ends the process if it is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


TABLES = (".csv", ".parquet")
"""Extensions of a list of CTs."""


def is_table(path: Path) -> bool:
    """Return whether path is a table that may list CTs."""
    return path.suffix.lower() in TABLES and path.is_file()


def is_pattern(path: Path) -> bool:
    """Return whether path holds *, ? or [ for the names of many."""
    return glob.has_magic(str(path))
