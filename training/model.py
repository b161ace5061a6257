"""The student that a config asks for."""

from __future__ import annotations

from FlareSegLib.student import Student, StudentConfig
from training.config import Config


def new_student(config: Config) -> Student:
    """Return a student with random weights."""
    sizes = StudentConfig(
        channels=config.channels, blocks=config.blocks, z_dilation=config.z_dilation
    )
    return Student(sizes)
