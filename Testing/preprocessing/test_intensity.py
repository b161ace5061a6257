import numpy as np

from FlareSegLib.base.geometry import Grid, Volume
from FlareSegLib.preprocessing.intensity import normalize
from Testing.model_facts import a_config


def test_hu_are_clipped_then_scaled():
    config = a_config(hu_range=(-100.0, 200.0), hu_mean=50.0, hu_sd=50.0)
    array = np.array([-3000, -100, 50, 100, 3000], np.int16).reshape(1, 1, 5)
    found = normalize(Volume(array, Grid((1, 1, 5), (1.0, 1.0, 1.0))), config)
    assert found.array.ravel().tolist() == [-3.0, -3.0, 0.0, 1.0, 3.0]
    assert found.array.dtype == np.float32


def test_the_ct_itself_is_not_changed():
    array = np.full((2, 2, 2), 1000.0, np.float32)
    normalize(Volume(array, Grid((2, 2, 2), (1.0, 1.0, 1.0))), a_config())
    assert (array == 1000.0).all()
