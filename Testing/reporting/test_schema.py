"""Reports are as docs/report.schema.json says, whatever the scan holds."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base.geometry import Box, Labelmap
from FlareSegLib.measuring.measure import measure
from FlareSegLib.measuring.phase import NAMES
from FlareSegLib.measuring.rows import ORGAN_FLAGS, OrganRow
from FlareSegLib.measuring.trust import trusted
from FlareSegLib.reporting.report import Report, report_of
from Testing.flare import FLARE
from Testing.measuring.seen import GOOD_SCAN, evidence_of
from Testing.phantoms import abdomen

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))
KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def faults(value, schema, at="report"):
    """Return what of a value is not as the few words of JSON Schema that the file uses say."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_of(value, kind) for kind in kinds):
        return [f"{at} is {value!r}, not {kinds}"]
    found = [f"{at} is {value!r}"] if value not in schema.get("enum", [value]) else []
    if isinstance(value, list):
        for i, item in enumerate(value):
            found += faults(item, schema.get("items", {}), f"{at}[{i}]")
    if isinstance(value, dict):
        own = schema.get("properties", {})
        found += [f"{at} lacks {key}" for key in schema.get("required", []) if key not in value]
        for key, item in value.items():
            rest = schema.get("additionalProperties", True)
            if key not in own and rest is False:
                found.append(f"{at} has {key}")
            found += faults(
                item, own.get(key, rest if isinstance(rest, dict) else {}), f"{at}.{key}"
            )
    return found


def is_of(value, kind):
    if kind in ("number", "integer"):
        whole = isinstance(value, int) or kind == "number"
        return isinstance(value, int | float) and not isinstance(value, bool) and whole
    return isinstance(value, KINDS[kind])


def report(first=0, gone=()):
    ct, truth = abdomen((80, 75, 95), (4.0, 4.0, 4.0))
    labels = truth.array.copy()
    labels[np.isin(labels, gone)] = 0
    box = Box((first, 0, 0), truth.grid.shape)
    ct, labelmap = ct.crop(box), Labelmap(labels, truth.grid).crop(box)
    found = trusted(measure(labelmap, ct, FLARE), evidence_of({}), GOOD_SCAN, {}, ct.grid, None)
    return report_of(found, FLARE.organs, {"input": "a.nii.gz"})


@pytest.mark.parametrize(("first", "gone"), [(0, ()), (44, (9,)), (0, tuple(range(1, 14)))])
def test_a_report_is_as_its_schema_says(first, gone):
    written = json.loads(json.dumps(report(first, gone).to_dict(), allow_nan=False))
    assert faults(written, SCHEMA) == []
    assert (written["phase"] is None) == (len(gone) == 13)


def test_a_doubtful_organ_and_a_bare_report_are_as_the_schema_says():
    row = OrganRow("liver", "liver", 1, flags=tuple(ORGAN_FLAGS), confidence=0.5, doubts=("why",))
    assert faults(Report((row, replace(row, flags=())), {}).to_dict(), SCHEMA) == []


def test_the_schema_tells_what_is_wrong():
    written = report().to_dict()
    written["organs"][0]["state"] = "half"
    written["organs"][1]["volume_ml"] = "12"
    del written["derived"]
    assert faults(written, SCHEMA) == [
        "report lacks derived",
        "report.organs[0].state is 'half'",
        "report.organs[1].volume_ml is '12', not ['number']",
    ]


def test_every_key_that_is_written_is_in_the_schema_and_in_the_docs():
    written, text = report().to_dict(), (DOCS / "report.md").read_text(encoding="utf-8")
    assert set(written) <= set(SCHEMA["properties"])
    organ = SCHEMA["properties"]["organs"]["items"]["properties"]
    assert set(written["organs"][0]) <= set(organ)
    for key in (*organ, *ORGAN_FLAGS, *SCHEMA["properties"], *NAMES):
        assert f"`{key}`" in text, key
    for one in written["derived"]:
        assert f"`{one['key']}`" in text
