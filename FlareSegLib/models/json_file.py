"""JSON files of strangers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from FlareSegLib.base.errors import ModelError

MOST_BYTES = 64 * 2**20
"""A dataset.json of thousands of cases has some MiB."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file.

    Raises:
        ModelError: It is missing, too large, or no JSON object.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(f"{path} has more than {MOST_BYTES >> 20} MiB: it is no {path.name}")
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path.parent} has no {path.name}: give the whole folder") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}): restore it") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} holds no JSON object: restore it")
    return found
