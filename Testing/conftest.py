"""What all tests share: Hypothesis sets no deadline (machines are noisy), and a folder to watch.

The rig of Slicer has no Hypothesis.
"""

import contextlib
import tempfile

import pytest

with contextlib.suppress(ImportError):
    from hypothesis import settings

    settings.register_profile("noisy", deadline=None)
    settings.load_profile("noisy")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files in which nothing may stay."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []
