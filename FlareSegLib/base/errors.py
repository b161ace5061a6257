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


def to_line(error: BaseException) -> str:
    """Return what a person is told of an error, in one line."""
    if isinstance(error, FlareSegError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory: close other programs, or crop the CT to the abdomen"
    kind, said = type(error).__name__, " ".join(str(error).split())
    return f"unexpected {kind}: {said} (run with --debug for the traceback)"
