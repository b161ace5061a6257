"""Stage 7: how far each organ of a model can be trusted: confidence.json beside its model.json.

    python -m training.confidence CONFIG [--resume]

Cases are degraded, the model labels the copies, and trees learn the DSC from what a run knows. It
prints figures by leaving patients out, and writes them and a plot to work/confidence/. With
--resume copies that were done are kept. What is usual of bodies and phases, which does not depend
on the model, is written there too, for Resources/Trust. A run tells places and sizes by what lies
in Resources/Trust: put usual.json there, or set confidence.shipped_usual to learn with what does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.confidence_file import CONFIDENCE_JSON, SCHEMA_VERSION
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.measuring.phase import readings
from training.cases.run_folder import RunFolder, write_json
from training.config import Config, run_stage
from training.doubt import fit, phases, plot, runs
from training.doubt.table import Example, examples, patient_of, seen_of, usual_by, usual_of
from training.doubt.trees import Growth


def main(config: Config, resume: bool = False) -> None:
    """Write confidence.json into the model folder, and confidence/ into the work folder."""
    options, model = config.confidence, runs.model_of(config)
    folder = RunFolder(config, "confidence").path
    path = folder / "copies.jsonl"
    if not resume:
        path.unlink(missing_ok=True)
    _write_confidence(model, None)  # so that the copies do not depend on the last one
    runs.write(config, model, options.copies, path)
    lines = runs.read(path, read_model_config(model).sha256)
    write_json(folder / "usual.json", {"organs": usual_of(lines)})
    rows = examples(lines, usual_by(lines, options), options.patient)
    growth = Growth(trees=options.trees)
    said = fit.left_out(rows, config.seed, growth)
    told = _told(rows, said, config.seed, growth, model)
    _write_confidence(model, told)
    found = {"figures": told["figures"], "phases": _phases(lines, config, folder)}
    write_json(folder / "figures.json", found)
    plot.calibration(fit.calibration(rows, said), folder / "calibration.png")
    print(json.dumps(told["figures"], indent=2))
    print(found["phases"])


def _told(
    rows: list[Example], said: fit.LeftOut, seed: int, growth: Growth, model: Path
) -> dict[str, Any]:
    there = np.array([row.is_there for row in rows])
    every = np.ones(len(rows), np.bool_)
    return {
        "schema_version": SCHEMA_VERSION,
        "sha256": read_model_config(model).sha256,
        "doubtful_below": round(fit.threshold(rows, said.confidence, every & there), 3),
        "absent_below": round(fit.threshold(rows, said.confidence, every & ~there), 3),
        "figures": {
            "copies": len({(row.case, row.seed) for row in rows}),
            "patients": len({row.patient for row in rows}),
            "found": fit.figures(rows, said, there),
            "not_found": fit.figures(rows, said, ~there),
        },
        **fit.fit(rows, seed, growth),
    }


def _phases(lines: list[dict[str, Any]], config: Config, folder: Path) -> str:
    """Write what phases look like; return the table of those told without their patient."""
    options, known = config.confidence, []
    for line in (line for line in lines if line["way"] == "clean"):
        for start, phase in options.phases.items():
            if line["case"].startswith(start):
                seen, patient = readings(seen_of(line).rows), patient_of(line, options.patient)
                known.append(phases.Known(line["case"], patient, phase, seen))
    if not known:
        return "no phase is known: set confidence.phases"
    write_json(folder / "phase.json", {"phases": phases.to_json(phases.learn(known))})
    return phases.table(known, phases.left_out(known))


def _write_confidence(model: Path, told: dict[str, Any] | None) -> None:
    path = model / CONFIDENCE_JSON
    if told is None:
        path.unlink(missing_ok=True)
        return
    with atomic(path) as temporary:
        temporary.write_text(fit.to_json(told), encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
