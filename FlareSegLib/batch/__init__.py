"""Many CTs: which, in which processes, what became of each, and the page of them all.

Takes folders and a plan and gives files and a summary; knows one case as the pipeline gives it.
"""

from typing import Any

from FlareSegLib.base import moved

_NEW = {"Plan": "plan", "Row": "summary", "Ways": "run", "run_batch": "run", "untold": "run"}


def __getattr__(name: str) -> Any:
    """Return what was in batch.py before this was a room; for one release."""
    if name not in _NEW:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    import importlib

    moved.warn(f"{__name__}.{name}", f"{__name__}.{_NEW[name]}.{name}")
    return getattr(importlib.import_module(f"{__name__}.{_NEW[name]}"), name)
