"""The student that a config asks for."""

from __future__ import annotations

from FlareSegLib.student import Student, StudentConfig
from training.config import Config


def new_student(config: Config) -> Student:
    """Return a student with random weights."""
    wanted = config.student
    sizes = StudentConfig(wanted.channels, wanted.blocks, wanted.z_dilation, config.data.classes)
    return Student(sizes)
