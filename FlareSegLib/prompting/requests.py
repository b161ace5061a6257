"""What a panel asks of the warm process in child.py; light, for Slicer imports it at its start."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from FlareSegLib.base.errors import InputError
from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt, LinePrompt, Prompt

CT, REQUEST = "ct.nrrd", "request.json"
ANSWER, MASK = "answer_{}.json", "answer_{}.npz"
"""Of a request, by its number."""
START = "start_{}.npz"
"""What is to be corrected, by the number that requests have as "start": first voxel (k, j, i) of
an array of labels, ORGAN and OTHERS."""
ORGAN, OTHERS = 1, 2
KINDS: dict[str, type[BoxPrompt] | type[LinePrompt] | type[ClickPrompt]] = {
    "box": BoxPrompt,
    "line": LinePrompt,
    "click": ClickPrompt,
}


def to_json(prompt: Prompt) -> dict[str, Any]:
    """Return a prompt as a request has it."""
    kind = next(name for name, one in KINDS.items() if isinstance(prompt, one))
    return {"kind": kind, **asdict(prompt)}


def from_json(facts: dict[str, Any]) -> Prompt:
    """Return the prompt that to_json() told.

    Raises:
        InputError: It is none.
    """
    try:
        said = {key: _frozen(value) for key, value in facts.items() if key != "kind"}
        return KINDS[facts["kind"]](**said)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"a request has a broken prompt ({error})") from error


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
