"""Small networks train fastest on one thread, above all where other programs use the cores."""

from contextlib import suppress

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Two threads took three times as long on two busy cores."""
    with suppress(ImportError):
        import torch

        torch.set_num_threads(1)
