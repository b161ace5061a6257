"""A run: steps, schedule, optimizers, checkpoints, validation."""
