"""A phantom with its labels, which is degraded or made foreign."""

import numpy as np
import pytest

from Testing.phantoms import abdomen
from training.doubt.degrade import Copy


@pytest.fixture(scope="session")
def copy():
    ct, truth = abdomen((80, 50, 63), (4.0, 6.0, 6.0))
    return Copy(ct.array.astype(np.float32), truth.array, (4.0, 6.0, 6.0))
