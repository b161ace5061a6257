"""The student that a config asks for."""

from __future__ import annotations

from torch import nn

from training.config import Config
from training.networks import build


def new_student(config: Config) -> nn.Module:
    """Return a student with random weights."""
    return build.new_student(config.student, config.data.classes)
