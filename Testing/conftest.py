"""Hypothesis sets no deadline here: machines are noisy. The rig of Slicer has no Hypothesis."""

import contextlib

with contextlib.suppress(ImportError):
    from hypothesis import settings

    settings.register_profile("noisy", deadline=None)
    settings.load_profile("noisy")
