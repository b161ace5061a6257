"""Import paths of former versions, which work for one release and warn."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
"""As in typing, which takes longer to import than all of this."""
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_NEW = {
    "FlareSegLib.cases": ("FlareSegLib.batch.cases",),
    "FlareSegLib.config": (
        "FlareSegLib.base.config",
        "FlareSegLib.base.model_file",
        "FlareSegLib.base.run_options",
    ),
    "FlareSegLib.io": ("FlareSegLib.images.reading",),
    "FlareSegLib.job": ("FlareSegLib.base.job",),
    "FlareSegLib.runtimes": ("FlareSegLib.inference.runtimes",),
}
"""Where is now what modules held that README.md named; FlareSegLib.batch says it itself."""


class _OldPaths:
    """Finds a module under its former name, and loads it."""

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _NEW:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make the module."""

    def exec_module(self, module: ModuleType) -> None:
        from importlib import import_module

        names = _NEW[module.__name__]
        warn(module.__name__, ", ".join(names))
        for name in names:
            now = vars(import_module(name))
            vars(module).update({key: now[key] for key in now if not key.startswith("__")})


def keep_old_paths() -> None:
    """Let `import FlareSegLib.config` and the like find the modules where they are now."""
    if not any(isinstance(finder, _OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(_OldPaths())


def warn(old: str, new: str) -> None:
    """Warn of an old name."""
    import warnings

    text = f"{old} is now {new}; the old name goes with the next release"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
