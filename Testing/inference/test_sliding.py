import dataclasses

import numpy as np
import pytest

from FlareSegLib.base.errors import Cancelled
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.inference import windows
from FlareSegLib.inference.sliding import Sliding
from Testing.model_facts import a_config

WINDOW = (16, 24, 24)
CONFIG = a_config(
    window=WINDOW, fine_windows_limit=9999, hu_range=(-1000.0, 1000.0), hu_mean=0.0, hu_sd=1.0
)


class Echo:
    """Logit of class 1 is the voxel itself; the background is 0. Keeps what it saw."""

    def __init__(self, stride=1):
        self.stride, self.seen = stride, []

    def __call__(self, window):
        self.seen.append(window)
        logits = np.zeros((14, *(n // self.stride for n in window.shape)), np.float32)
        logits[1] = window[:: self.stride, :: self.stride, :: self.stride]
        return logits


def run(array, network, config=CONFIG, body=None, on_window=lambda _: None, **options):
    sliding = Sliding(network, config, RunOptions(**options), array)
    body = np.ones((2, 2, 2), bool) if body is None else body
    return sliding.run(body, on_window), sliding.counts


def an_array(shape=(40, 50, 60), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(40, 50, 60), (5, 24, 70), (16, 24, 24), (17, 3, 25)])
def test_an_identity_network_gives_back_the_volume(shape):
    array = an_array(shape)
    logits, counts = run(array, Echo(), centre_first=False)
    assert logits.shape == (*shape, 14)
    assert np.allclose(logits[..., 1], array, atol=4e-3)
    assert counts.run == counts.planned


def test_half_resolution_logits_lie_on_every_second_voxel():
    array = an_array((41, 51, 61))
    config = a_config(window=WINDOW, logits_stride=2)
    logits, _ = run(array, Echo(2), config, centre_first=False)
    assert logits.shape == (21, 26, 31, 14)
    assert np.allclose(logits[..., 1], array[::2, ::2, ::2], atol=4e-3)


def test_padding_is_air():
    network = Echo()
    run(np.zeros((5, 24, 24), np.float32), network)
    assert network.seen[0].shape == WINDOW
    assert (network.seen[0][5:] == CONFIG.pad_value).all()


def test_windows_outside_the_body_never_run():
    body = np.zeros((1, 1, 4), bool)
    body[..., 0] = True  # the body fills the first quarter along x
    array = np.full((16, 24, 96), 5.0, np.float32)
    logits, counts = run(array, Echo(), body=body)
    assert counts.run == 1 + 1  # starts 0 and 12 of 0, 12, ... 72 touch x < 24
    assert counts.skipped_air == counts.planned - counts.run
    assert (logits[..., 40:, :].argmax(axis=-1) == 0).all()
    _, counts = run(array, Echo(), body=body, skip_air=False)
    assert counts.run == counts.planned


def test_neighbours_of_an_empty_centre_are_skipped_and_counted():
    array = np.full((16, 96, 96), -1.0, np.float32)
    array[:, :10, :10] = 1.0  # an organ only in a corner
    _, counts = run(array, Echo())
    assert counts.run == 1
    assert counts.skipped_centre == counts.planned - 1
    for options in ({"centre_first": False}, {"speed": "accurate"}):
        logits, counts = run(array, Echo(), **options)
        assert counts.run == counts.planned
        assert logits[5, 5, 5].argmax() == 1


def test_every_planned_window_is_accounted_for():
    body = np.zeros((4, 4, 4), bool)
    body[:2, 1:3, 1:3] = True
    _, counts = run(an_array((60, 90, 90)) - 2, Echo(), body=body)
    assert counts.run + counts.skipped_air + counts.skipped_centre == counts.planned


def test_progress_rises_and_can_stop_the_run():
    shares = []
    _, counts = run(an_array(), Echo(), on_window=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1

    def stop(share):
        if share > 0.3:
            raise Cancelled("stopped")

    network = Echo()
    with pytest.raises(Cancelled):
        run(an_array(), network, on_window=stop)
    assert 0 < len(network.seen) < counts.run / 2


def test_a_failing_network_fails_the_run():
    class Fails(Echo):
        def __call__(self, window):
            if len(self.seen) == 2:
                raise RuntimeError("third call")
            return super().__call__(window)

    with pytest.raises(RuntimeError, match="third call"):
        run(an_array(), Fails())


def test_slabs_of_a_flat_network_give_back_the_volume(monkeypatch):
    monkeypatch.setattr("FlareSegLib.inference.windows.MOST_VOXELS", 80 * 64 * 80)
    array = an_array((301, 50, 71))
    config = a_config(window=WINDOW, logits_stride=2, is_flat=True)
    network = Echo(2)
    logits, counts = run(array, network, config, centre_first=False)
    assert logits.shape == (151, 25, 36, 14)
    assert np.allclose(logits[..., 1], array[::2, ::2, ::2], atol=4e-3)
    assert counts.run == counts.planned == len(network.seen) > 3
    body = np.zeros((301, 1, 1), bool)
    body[200:] = True
    logits, counts = run(array, Echo(2), config, body=body, centre_first=False)
    assert counts.skipped_air > 0
    assert (logits[:60].argmax(axis=-1) == 0).all()
    assert np.allclose(logits[105:, ..., 1], array[::2, ::2, ::2][105:], atol=4e-3)


FLAT = a_config(
    window=WINDOW, logits_stride=2, is_flat=True, spacing_mm=(2.0, 2.0, 2.0), hu_mean=0.0, hu_sd=1.0
)


def labels_of(array, **options):
    network, shares = Echo(2), []
    logits, counts = run(array, network, FLAT, on_window=shares.append, **options)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert counts.run == counts.planned
    return logits.argmax(axis=-1), counts, network.seen


def an_organ(*corners, shape=(240, 160, 160)):
    """A volume of -1 with boxes of 1 in it; a corner is (z, y, x) slices."""
    array = np.full(shape, -1.0, np.float32)
    for corner in corners:
        array[corner] = 1.0
    return array


def test_a_first_look_tells_where_to_look_closely():
    array = an_organ(np.s_[152:172, 60:80, 60:92])
    labels, counts, seen = labels_of(array)
    # margins: 24 slices below, 9 voxels in the plane, out to multiples of 2 and 16
    assert [window.shape for window in seen] == [(120, 80, 80), (240 - 128, 48, 64)]
    assert counts.looked_at == pytest.approx(112 * 48 * 64 / array.size)
    assert (labels == (array[::2, ::2, ::2] > 0)).all()
    everything, counts, seen = labels_of(array, speed="accurate")
    assert (everything == labels).all()
    assert counts.looked_at == 1
    assert sum(window.size for window in seen) >= array.size


def test_what_goes_on_below_is_followed_to_its_end():
    array = an_organ(np.s_[160:170, 60:90, 60:90], np.s_[156:160, 70:80, 70:80])
    array[20:156:2, 70:80, 70:80] = 7.0  # gone at half resolution, where every second slice
    array[21:156:2, 70:80, 70:80] = -20.0  # outweighs it
    labels, counts, _ = labels_of(array)
    assert labels[10:78, 35:40, 35:40].all()
    assert not labels[:10].any()
    assert 0.1 < counts.looked_at < 0.3


def test_what_goes_on_in_the_plane_makes_all_of_the_plane_seen():
    array = an_organ(np.s_[160:170, 60:90, 60:90])
    array[160:170:2, 60:90:2, 90:] = 7.0
    array[161:170:2, 60:90, 90:] = -20.0
    labels, counts, _ = labels_of(array)
    assert labels[80:85, 30:45, 45:80].all()
    assert counts.looked_at == pytest.approx(104 * 64 * 112 / array.size)


def test_all_is_seen_where_the_first_look_finds_nothing():
    array = an_organ(np.s_[100:110:2, 60:80:2, 60:80:2])  # gone at half resolution
    labels, counts, _ = labels_of(array)
    assert counts.looked_at == 1
    assert labels[50:55, 30:40, 30:40].all()


class Forgetful(Echo):
    """Sees no organ near the lower end of a window."""

    def __call__(self, window):
        logits = super().__call__(window)
        logits[1, :3] = -9.0
        return logits


def looks_of(array, network, **options):
    sliding = Sliding(network, FLAT, RunOptions(**options), array)
    sliding.run(np.ones((1, 1, 1), bool), lambda _: None)
    return sliding.looks


@pytest.mark.parametrize(("speed", "shared"), [("balanced", 8), ("fast", 8), ("accurate", 16)])
def test_slabs_are_held_against_each_other_where_they_share_slices(monkeypatch, speed, shared):
    monkeypatch.setattr(windows, "MOST_VOXELS", 140 * 160 * 160)
    array = an_organ(np.s_[20:220, 20:140, 20:140])
    agreed = looks_of(array, Echo(2), speed=speed, centre_first=False)
    cells = shared * 60 * 60
    assert agreed.both[1] == cells
    assert agreed.total[1] == 2 * cells
    torn = looks_of(array, Forgetful(2), speed=speed, centre_first=False)
    assert torn.both[1] == cells - 3 * 60 * 60
    assert torn.total[1] == 2 * cells - 3 * 60 * 60


def test_a_volume_of_one_slab_has_nothing_to_be_held_against():
    assert not looks_of(an_organ(np.s_[20:60, 20:60, 20:60]), Echo(2)).total.any()


class Sided:
    """Logit of class 1 is the voxel, but wrong by the place in the window along one axis."""

    def __init__(self, axis):
        self.axis, self.calls = axis, 0

    def __call__(self, window):
        self.calls += 1
        n = window.shape[self.axis]
        error = np.linspace(-1, 1, n).reshape([-1 if i == self.axis else 1 for i in range(3)])
        logits = np.zeros((14, *window.shape), np.float32)
        logits[1] = window + error
        return logits


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flips_cancel_what_depends_on_the_side(axis):
    array, config = an_array(WINDOW), dataclasses.replace(CONFIG, flips=((axis,),))
    logits, counts = run(array, Sided(axis), config, speed="accurate")
    assert np.allclose(logits[..., 1], array, atol=4e-3)
    assert counts.run == 1
    other = dataclasses.replace(CONFIG, flips=(((axis + 1) % 3,),))
    logits, _ = run(array, Sided(axis), other, speed="accurate")
    assert not np.allclose(logits[..., 1], array, atol=0.5)


@pytest.mark.parametrize(("speed", "calls"), [("fast", 1), ("balanced", 1), ("accurate", 4)])
def test_only_accurate_looks_from_further_sides(speed, calls):
    network, config = Sided(0), dataclasses.replace(CONFIG, flips=((0,), (1,), (1, 2)))
    run(an_array(WINDOW), network, config, speed=speed)
    assert network.calls == calls
