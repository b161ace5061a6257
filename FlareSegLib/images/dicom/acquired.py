"""How an enhanced CT was taken: its functional groups and sequences say what a slice says itself.

DICOM PS3.3, C.7.6.16 and C.8.15.3: kVp stands in the CT X-ray details, the kernel in the CT
reconstruction, the thickness in the pixel measures; the agent is a code. What a converted file
says (PS3.3, A.70) may stand among the unassigned attributes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from FlareSegLib.images.dicom.elements import LOST, Tag
from FlareSegLib.images.dicom.nested import PER_FRAME, SHARED, DataSet, main_of, opened

_PLACES = {(0x0018, 0x9325), (0x0018, 0x9314), (0x0028, 0x9110), (0x0020, 0x9170), (0x0020, 0x9171)}
"""Groups: CT X-ray details, CT reconstruction, pixel measures, attributes of converted slices."""
_AGENTS, _MEANING = (0x0018, 0x0012), (0x0008, 0x0104)
AGENT = (0x0018, 0x0010)


def said_in_groups(path: Path, wanted: Collection[Tag]) -> dict[Tag, str]:
    """Return what the groups of all frames, or of the first one, say; nothing that is not there.

    Args:
        path: An enhanced CT; of another file nothing is returned.
        wanted: Elements; the agent is looked for as a code too.
    """
    agent: dict[Tag, str] = {}
    found: dict[Tag, str] = {}
    is_enhanced = False
    with suppress(*LOST), opened(path) as data:
        for tag, value in main_of(data).elements():
            if tag == _AGENTS and AGENT in wanted:
                agent = _meaning(value)
            elif tag in (SHARED, PER_FRAME):
                is_enhanced = True
                found = dict(_in_groups(value, wanted)) | found
    return agent | found if is_enhanced else {}


def _meaning(agents: DataSet) -> dict[Tag, str]:
    """Return the meaning of the first code of an agent."""
    meaning = next((value.text() for tag, value in agents.first() if tag == _MEANING), "")
    return {AGENT: meaning} if meaning else {}


def _in_groups(groups: DataSet, wanted: Collection[Tag]) -> Iterator[tuple[Tag, str]]:
    """Yield what the first item of a sequence of functional groups says."""
    for name, group in groups.first():
        if name in _PLACES:
            yield from ((tag, value.text()) for tag, value in group.first() if tag in wanted)
