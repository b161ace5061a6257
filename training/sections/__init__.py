"""The sections of a config: one frozen dataclass each, checked when it is made."""

from training.sections.augment import Augment
from training.sections.data import LESION, Data
from training.sections.learning import DISTILL_WEIGHTS, Distill, Student
from training.sections.result import Evaluate, Export
from training.sections.teaching import Curriculum, PseudoLabel, Teacher
from training.sections.train import Train
from training.sections.trust import Confidence

__all__ = [
    "DISTILL_WEIGHTS", "LESION", "Augment", "Confidence", "Curriculum", "Data", "Distill",
    "Evaluate", "Export", "PseudoLabel", "Student", "Teacher", "Train",
]  # fmt: skip
