"""Errors that a user can cause.

FlareSegError
├── InputError      the CT cannot be used: message says what, the value, and what to do
├── OutputError     the result cannot be written
├── ModelError      the model folder is broken or does not fit
├── ResourceError   not enough memory or disk
└── Cancelled       the user stopped the run
"""


class FlareSegError(Exception):
    """Base of all errors that FlareSeg raises for a user."""


class InputError(FlareSegError):
    """The CT cannot be used."""


class OutputError(FlareSegError):
    """The result cannot be written."""


class ModelError(FlareSegError):
    """The model folder is broken or does not fit."""


class ResourceError(FlareSegError):
    """There is not enough memory or disk space."""


class Cancelled(FlareSegError):  # noqa: N818  a choice of the user, no error
    """The user stopped the run."""
