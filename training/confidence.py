"""Stage 7: how far each organ of a model can be trusted: confidence.json beside its model.json.

    python -m training.confidence CONFIG [--resume]

Cases are degraded, the model labels the copies, and trees learn the DSC from what a run knows. It
prints figures by leaving patients out, and writes them and a plot to work/confidence/. A line is
kept of each copy as it is done: with --resume only the others are made; without it the old lines
are put aside. The confidence.json that is there stays until the new one is whole.

What is usual of bodies and phases, which does not depend on the model, is written to work/ too, for
Resources/Trust. A run tells places and sizes by what lies in Resources/Trust: put usual.json there,
or set confidence.shipped_usual to learn with what does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from FlareSegLib.base import extras
from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.confidence_file import CONFIDENCE_JSON, SCHEMA_VERSION
from FlareSegLib.base.errors import InputError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.measuring.phase import readings
from training.cases.run_folder import RunFolder, write_json
from training.config import Config, run_stage
from training.doubt import fit, phases, plot, runs
from training.doubt.table import Example, examples, patient_of, seen_of, usual_by, usual_of
from training.doubt.trees import Growth


def main(config: Config, resume: bool = False) -> None:
    """Write confidence.json into the model folder, and confidence/ into the work folder."""
    extras.check("preview", "matplotlib", "the plot of training.confidence")
    options, model = config.confidence, runs.model_of(config)
    folder = RunFolder(config, "confidence").path
    path = folder / "copies.jsonl"
    if path.exists() and not resume:
        path.replace(folder / "copies_before.jsonl")
    runs.write(config, model, options.copies, path)
    lines = runs.read(path, read_model_config(model).sha256)
    write_json(folder / "usual.json", {"organs": usual_of(lines)})
    rows = _checked(examples(lines, usual_by(lines, options), options.patient), path)
    growth = Growth(trees=options.trees)
    said = fit.left_out(rows, config.seed, growth)
    told = _told(rows, said, config.seed, growth, model)
    plot.calibration(fit.calibration(rows, said), folder / "calibration.png")
    found = {"figures": told["figures"], "phases": _phases(lines, config, folder)}
    write_json(folder / "figures.json", found)
    with atomic(model / CONFIDENCE_JSON) as temporary:
        temporary.write_text(fit.to_json(told), encoding="utf-8")
    print(json.dumps(told["figures"], indent=2))
    print(found["phases"])


def _checked(rows: list[Example], path: Path) -> list[Example]:
    """Return examples from which confidence can be learned and measured.

    Raises:
        InputError: They are too few.
    """
    patients = {row.patient for row in rows}
    if len(patients) < 2:
        raise InputError(
            f"{path} tells of {len(patients)} patient{'s' * (not patients)} whose truth is known: "
            "leaving patients out needs two; see data.cases and confidence.patient"
        )
    if not any(row.is_there for row in rows):
        raise InputError(f"the model found no organ in any copy of {path}: is it trained?")
    return rows


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


if __name__ == "__main__":
    run_stage(main)
