"""The network that a config asks for."""

from __future__ import annotations

from torch import nn

from FlareSegLib.inference import student
from training.networks.light import LightSizes, LightStudent
from training.networks.teacher import SIZES, TeacherSizes
from training.networks.teacher import Teacher as TeacherNetwork
from training.sections import Student, Teacher


def new_student(sizes: Student, classes: int) -> nn.Module:
    """Return a student with random weights: a training.networks.features.Network."""
    if sizes.kind == "light":
        return LightStudent(LightSizes(sizes.channels, sizes.blocks, classes=classes))
    return student.Student(
        student.StudentConfig(sizes.channels, sizes.blocks, sizes.z_dilation, classes)
    )


def new_teacher(sizes: Teacher, classes: int) -> nn.Module:
    """Return a teacher with random weights: a training.networks.features.Network.

    Raises:
        ValueError: Its size is unknown.
    """
    if sizes.size not in SIZES:
        raise ValueError(f"teacher.size is {sizes.size!r}: choose one of {', '.join(SIZES)}")
    channels, blocks = SIZES[sizes.size]
    return TeacherNetwork(TeacherSizes(sizes.channels or channels, sizes.blocks or blocks, classes))
