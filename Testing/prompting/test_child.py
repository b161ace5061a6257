"""The warm process of a panel, asked through files."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.images.reading import read_volume
from FlareSegLib.prompting import child, requests
from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt, LinePrompt
from FlareSegLib.prompting.session import Session
from Testing.prompting.test_session import TURNED
from Testing.prompting.things import BALL, CENTRE_RAS, TISSUE, Bright, ball, box

PROMPTS = (
    BoxPrompt.between(*box(2)),
    LinePrompt((0.0, 0.0, 0.0), (0.0, 9.0, 0.0)),
    ClickPrompt(CENTRE_RAS, inside=False),
)
DIRECTIONS = {"straight": ball().grid.direction, **TURNED}


def in_fat(direction) -> Volume:
    """Return the ball in what a CT can be: tissue with fat in it."""
    volume = ball(direction)
    array = volume.array.copy()
    array[:, :2] = -1024
    array[(np.random.default_rng(0).random(array.shape) < 0.15) & (array == TISSUE)] = -90
    return Volume(array, volume.grid)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "load_prompt_network", lambda *_: Bright())
    return tmp_path


def served(folder, volume) -> child.Server:
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    image.SetOrigin(volume.grid.origin)
    image.SetDirection(np.array(volume.grid.direction)[::-1].T.ravel().tolist())
    sitk.WriteImage(image, str(folder / requests.CT))
    return child.Server(folder, read_volume(folder / requests.CT), Bright())


def ask(folder, number, *prompts):
    request = {"number": number, "prompts": [requests.to_json(prompt) for prompt in prompts]}
    (folder / requests.REQUEST).write_text(json.dumps(request), encoding="utf-8")


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda one: type(one).__name__)
def test_prompts_survive_json(prompt):
    assert requests.from_json(json.loads(json.dumps(requests.to_json(prompt)))) == prompt


def test_a_broken_prompt_is_told():
    with pytest.raises(InputError, match="broken prompt"):
        requests.from_json({"kind": "lasso"})


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_an_answer_holds_the_mask_in_the_axes_of_the_file(folder, direction):
    volume = in_fat(direction)
    server = served(folder, volume)
    ask(folder, 1, PROMPTS[0])
    told = server.poll()
    with np.load(folder / "answer_1.npz") as answer:
        start, mask = answer["start"], answer["mask"]
    whole = np.zeros(volume.array.shape, np.uint8)
    whole[tuple(slice(a, a + n) for a, n in zip(start, mask.shape, strict=True))] = mask
    session = Session(read_volume(folder / requests.CT), Bright())
    expected = Labelmap(np.zeros(volume.grid.shape, np.uint8), volume.grid)
    session.prompt(PROMPTS[0]).write(expected)
    different = np.count_nonzero(whole != expected.array)  # the file rounds an oblique direction
    assert different <= 0.01 * np.count_nonzero(whole)
    assert told["ml"] == pytest.approx(mask.sum() * volume.grid.voxel_ml, rel=1e-3)


def test_a_request_is_answered_once_and_the_newest_wins(folder):
    server = served(folder, in_fat(DIRECTIONS["straight"]))
    assert server.poll() is None
    ask(folder, 1, PROMPTS[0])
    ask(folder, 3, PROMPTS[0])
    assert server.poll()["answer"] == 3
    assert server.poll() is None


def test_an_answer_is_told_in_a_line_and_left_in_a_file(folder, capsys):
    served(folder, in_fat(DIRECTIONS["straight"]))
    ask(folder, 1, PROMPTS[0])
    rounds = iter((True, False))
    assert child.serve(folder, lambda: next(rounds)) == 0
    ready, line = capsys.readouterr().out.splitlines()
    assert json.loads(ready) == {"ready": True}
    left = folder / requests.ANSWER.format(1)
    assert json.loads(line) == json.loads(left.read_text(encoding="utf-8"))
    assert json.loads(line)["answer"] == 1
    assert (folder / "answer_1.npz").is_file()


def test_where_the_file_cannot_be_written_the_line_tells_the_answer(folder, capsys):
    served(folder, in_fat(DIRECTIONS["straight"]))
    ask(folder, 1, PROMPTS[0])
    (folder / requests.ANSWER.format(1)).mkdir()
    rounds = iter((True, False))
    assert child.serve(folder, lambda: next(rounds)) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[1])["answer"] == 1


def test_prompts_that_were_there_before_are_not_computed_again(folder):
    network, volume = Bright(), in_fat(DIRECTIONS["straight"])
    server = child.Server(folder, volume, network)
    for number, clicks in enumerate(((), (PROMPTS[2],), ()), 1):
        ask(folder, number, PROMPTS[0], *clicks)
        server.poll()
    assert len(network.shown) == 5, "three looks at the box, two at the click"


def whole(folder, number, shape) -> np.ndarray:
    """Return the mask of an answer on all of the CT's file."""
    found = np.zeros(shape, np.uint8)
    with np.load(folder / requests.MASK.format(number)) as answer:
        start, mask = answer["start"], answer["mask"]
    found[tuple(slice(a, a + n) for a, n in zip(start, mask.shape, strict=True))] = mask
    return found


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_an_organ_of_a_file_is_corrected_and_a_request_without_it_is_about_no_organ(
    folder, direction
):
    volume, network = in_fat(direction), Bright()
    network.correction = Bright()
    served(folder, volume)
    server = child.Server(folder, read_volume(folder / requests.CT), network)
    is_ball = volume.array == BALL
    k, j, i = np.argwhere(is_ball).min(0)
    part = is_ball[k:, j:, i:].astype(np.uint8) * requests.ORGAN
    part[:12] = 0  # half of the ball is missing
    part[-1, -1, -1] = requests.OTHERS
    np.savez(folder / requests.START.format(5), start=(k, j, i), labels=part)
    before = np.zeros(volume.array.shape, bool)
    before[k:, j:, i:] = part == requests.ORGAN
    click = requests.to_json(ClickPrompt(CENTRE_RAS, inside=True))
    for number, start in ((1, 5), (2, None)):
        request = {"number": number, "start": start, "prompts": [click]}
        (folder / requests.REQUEST).write_text(json.dumps(request), encoding="utf-8")
        assert "error" not in server.poll()
    after, other = (whole(folder, number, before.shape) > 0 for number in (1, 2))
    assert np.all(after[before])
    assert np.mean(is_ball[after]) > 0.97
    assert np.sum(after) > 1.2 * np.sum(before)
    assert len(network.correction.shown) == 1
    assert np.sum(other & is_ball) > 0.9 * np.sum(is_ball), "a first click finds the whole ball"


def test_what_is_wrong_is_told_and_the_next_request_is_answered(folder):
    server = served(folder, in_fat(DIRECTIONS["straight"]))
    ask(folder, 1, ClickPrompt((900.0, 0.0, 0.0)))
    assert "outside of the CT" in server.poll()["error"]
    ask(folder, 2, PROMPTS[0])
    assert server.poll()["ml"] > 0


def test_a_ct_that_cannot_be_read_ends_the_process_with_a_reason(tmp_path, capsys):
    assert child.serve(tmp_path) == 1
    assert "error" in json.loads(capsys.readouterr().out)


def test_serving_tells_when_it_is_ready_and_each_answer(folder, capsys):
    served(folder, in_fat(DIRECTIONS["straight"]))
    ask(folder, 1, PROMPTS[0])
    rounds = iter((True, False))
    assert child.serve(folder, lambda: next(rounds)) == 0
    ready, answer = map(json.loads, capsys.readouterr().out.splitlines())
    assert ready["ready"]
    assert answer["answer"] == 1
