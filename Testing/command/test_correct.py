"""flareseg prompt --start: an organ of a labelmap corrected, with the network that ships."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from Testing.command.test_prompt import AT, CENTRE, POINT, RADIUS, scan

__all__ = ["scan"]
GALLBLADDER, LIVER, STRANGE = 9, 1, 200
MISSING = f"{-CENTRE[0] - 8},{-CENTRE[1]},{CENTRE[2]}"
"""RAS of a point in the half of the ball that is missing."""


def ball(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the ball, and where L is above its middle, (z, y, x)."""
    z, y, x = np.indices(sitk.GetArrayViewFromImage(image).shape)
    spacing, origin = image.GetSpacing(), image.GetOrigin()
    at = [n * s + o - c for n, s, o, c in zip((x, y, z), spacing, origin, CENTRE, strict=True)]
    return sum(one**2 for one in at) < RADIUS**2, at[0] > 0


@pytest.fixture(scope="module")
def organs(scan, tmp_path_factory):
    """A labelmap whose gallbladder is the right half of the ball."""
    image = sitk.ReadImage(str(scan))
    is_ball, is_left = ball(image)
    labels = np.where(is_ball & ~is_left, GALLBLADDER, 0).astype(np.uint8)
    labels[5:8, 30:50, 30:50], labels[40:44, 30:34, 30:34] = LIVER, STRANGE
    made = sitk.GetImageFromArray(labels)
    made.CopyInformation(image)
    path = tmp_path_factory.mktemp("organs") / "organs.nii.gz"
    sitk.WriteImage(made, str(path))
    return path


def read(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_a_click_adds_what_is_missing_and_leaves_the_others(flareseg, scan, organs, tmp_path):
    words = ("--start", organs, "--organ", "gallbladder", f"--add={MISSING}")
    ended = flareseg("prompt", scan, *words, "-o", tmp_path / "o.nii.gz")
    assert ended.returncode == 0, ended.stderr
    before, after = read(organs), read(tmp_path / "o.nii.gz")
    changed = before != after
    assert set(before[changed]) == {0}
    assert set(after[changed]) == {GALLBLADDER}
    truth = ball(sitk.ReadImage(str(scan)))[0]
    found = after == GALLBLADDER
    assert np.mean(truth[changed]) > 0.9
    assert 2 * np.sum(found & truth) / (found.sum() + truth.sum()) > 0.85
    report = json.loads((tmp_path / "o.report.json").read_text(encoding="utf-8"))
    (row,) = report["things"]
    assert row["before_ml"] == pytest.approx(np.sum(before == GALLBLADDER) * 0.01, rel=1e-3)
    assert row["ml"] == pytest.approx(np.sum(found) * 0.01, rel=1e-3)
    assert f"was {row['before_ml']:.2f} ml" in ended.stdout
    assert report["run"]["start"]["file"] == "organs.nii.gz"
    names = {one["value"]: one["name"] for one in report["organs"]}
    assert names == {GALLBLADDER: "gallbladder", LIVER: "liver", STRANGE: "label 200"}


def test_it_can_be_gone_on_with_and_comes_as_segments_with_names(flareseg, scan, organs, tmp_path):
    first = ("--start", organs, "--organ", "9", f"--add={MISSING}")
    flareseg("prompt", scan, *first, "-o", tmp_path / "a.seg.nrrd", "--quiet")
    image = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
    names = [image.GetMetaData(f"Segment{i}_Name") for i in range(3)]
    assert names == ["liver", "gallbladder", "label 200"]
    second = ("--start", tmp_path / "a.seg.nrrd", "--organ", "Gallbladder", f"--remove={MISSING}")
    ended = flareseg("prompt", scan, *second, "-o", tmp_path / "b.nii.gz", "--quiet")
    assert ended.returncode == 0, ended.stderr
    a, b = read(tmp_path / "a.seg.nrrd"), read(tmp_path / "b.nii.gz")
    assert np.sum(b == GALLBLADDER) < np.sum(a == GALLBLADDER)
    assert np.array_equal(a == LIVER, b == LIVER)


def test_a_labelmap_that_an_editor_has_cropped_is_put_back(flareseg, scan, organs, tmp_path):
    image = sitk.ReadImage(str(organs))
    sitk.WriteImage(image[5:95, 4:76, 3:46], str(tmp_path / "cut.nii.gz"))
    for name in (organs, tmp_path / "cut.nii.gz"):
        words = ("--start", name, "--organ", "gallbladder", f"--add={MISSING}")
        ended = flareseg("prompt", scan, *words, "-o", tmp_path / f"o_{name.name}", "--quiet")
        assert ended.returncode == 0, ended.stderr
    one, two = read(tmp_path / "o_organs.nii.gz"), read(tmp_path / "o_cut.nii.gz")
    np.testing.assert_array_equal(one, two)


ROI = """{"markups": [{"type": "ROI", "coordinateSystem": "RAS", "center": [-40, -20, 40],
 "size": [40, 40, 40], "orientation": [1, 0, 0, 0, 1, 0, 0, 0, 1]}]}"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--organ", "liver", "--add=0,0,0"), 2, "belong together"),
        (("--start", "ORGANS", "--add=0,0,0"), 2, "belong together"),
        (("--start", "ORGANS", "--organ", "liver", "--line=0,0,0,1,1,1"), 2, "exclude each other"),
        (("--start", "ORGANS", "--organ", "liver", "--prompts", "a.csv"), 2, "exclude each other"),
        (("--start", "ORGANS", "--organ", "liver"), 2, "no prompt"),
        (("--start", "ORGANS", "--organ", "liber", "--add=0,0,0"), 1, "has liver, gallbladder"),
        (("--start", "ORGANS", "--organ", "spleen", "--add=0,0,0"), 1, "has liver, gallbladder"),
        (("--start", "ORGANS", "--organ", "liver", "--add=900,0,0"), 1, "outside of the CT"),
        (
            ("--start", "ORGANS", "--organ", "liver", f"--add={-CENTRE[0] + 8},-20,40"),
            1,
            "lies in the gallbladder, which keeps",
        ),
        (("--start", "none.nii.gz", "--organ", "liver", "--add=0,0,0"), 1, "none.nii.gz"),
        (("--start", "SCAN", "--organ", "liver", "--add=0,0,0"), 1, "not the CT"),
        (("--start", "ORGANS", "--organ", "liver", "--markups", "ROI"), 1, "by points alone"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    flareseg, scan, organs, tmp_path, words, code, said
):
    roi = tmp_path / "roi.mrk.json"
    roi.write_text(ROI, encoding="utf-8")
    named = {"ORGANS": organs, "SCAN": scan, "ROI": roi}
    words = [named.get(word, word) for word in words]
    ended = flareseg("prompt", scan, *words, "-o", "o.nii.gz", "--quiet", cwd=tmp_path)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert code == 2 or len(ended.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [roi]


def test_voxels_of_others_are_taken_where_that_is_asked_for(flareseg, scan, organs, tmp_path):
    at = f"{-CENTRE[0] + 8},{-CENTRE[1]},{CENTRE[2]}"
    words = ("--start", organs, "--organ", "liver", f"--add={at}", "--others", "overwrite")
    ended = flareseg("prompt", scan, *words, "-o", tmp_path / "o.nii.gz", "--quiet")
    assert ended.returncode == 0, ended.stderr
    before, after = read(organs), read(tmp_path / "o.nii.gz")
    assert np.sum((before == GALLBLADDER) & (after == LIVER)) > 0


def test_the_labelmap_is_not_written_over(flareseg, scan, organs):
    before = organs.read_bytes()
    words = ("--start", organs, "--organ", "liver", "--add=0,0,0", "-o", organs)
    ended = flareseg("prompt", scan, *words)
    assert ended.returncode == 2
    assert "OUT is --start" in ended.stderr
    assert organs.read_bytes() == before


def test_points_of_slicer_correct_too(flareseg, scan, organs, tmp_path):
    at = (CENTRE[0] + 8, CENTRE[1], CENTRE[2])
    (tmp_path / "f.mrk.json").write_text(POINT % ("LPS", AT % at), encoding="utf-8")
    base = ("prompt", scan, "--start", organs, "--organ", "gallbladder", "--quiet")
    flareseg(*base, "--markups", tmp_path / "f.mrk.json", "-o", tmp_path / "a.nii.gz")
    flareseg(*base, f"--add={MISSING}", "-o", tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(read(tmp_path / "a.nii.gz"), read(tmp_path / "b.nii.gz"))
