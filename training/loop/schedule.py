"""The learning rate by step: warm-up, constant, decay; the decay may begin early (paper 5)."""

from __future__ import annotations

from dataclasses import dataclass

from training.sections import Train


@dataclass
class Schedule:
    """Where training stands in its schedule. All of it is saved with the weights."""

    step: int = 0
    decay_from: int = -1
    """Step at which the decay began early; -1: it did not."""
    best: float = -1.0
    """Highest validation DSC."""
    waited: int = 0
    """Validations since then."""

    def end(self, train: Train) -> int:
        """Return the number of steps of the whole schedule."""
        if self.decay_from < 0:
            return train.steps
        return min(train.steps, self.decay_from + round(train.decay_share * train.steps))

    def rate(self, train: Train) -> float:
        """Return the factor of the learning rate at this step, in [0, 1]."""
        rising = (self.step + 1) / max(1.0, train.warmup_share * train.steps)
        length = round(train.decay_share * train.steps)
        left = (self.end(train) - self.step) / max(1, length)
        return float(min(1.0, rising, max(0.0, left) ** train.decay_power))

    def look(self, dsc: float, train: Train) -> None:
        """Take a validation DSC; without gain for long, let the decay begin now."""
        if dsc > self.best + train.least_gain:
            self.best, self.waited = dsc, 0
            return
        self.waited += 1
        has_room = self.step < train.steps - round(train.decay_share * train.steps)
        if train.patience and self.waited >= train.patience and self.decay_from < 0 and has_room:
            self.decay_from = self.step
