"""A ModelConfig for tests of single steps."""

from __future__ import annotations

from FlareSegLib.config import ModelConfig
from FlareSegLib.labels import ORGANS


def a_config(**changes: object) -> ModelConfig:
    """Return facts of a small model, with changes."""
    facts: dict[str, object] = {
        "name": "tiny",
        "version": "0",
        "sha256": "0" * 64,
        "spacing_mm": (2.0, 1.5, 1.5),
        "window": (16, 24, 24),
        "hu_range": (-1000.0, 1000.0),
        "hu_mean": 0.0,
        "hu_sd": 100.0,
        "labels": tuple(organ.key for organ in ORGANS),
    }
    return ModelConfig(**(facts | changes))  # type: ignore[arg-type]
