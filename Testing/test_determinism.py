"""The same input, model and version give the same bytes, whatever the threads and the process."""

import hashlib

import pytest
import SimpleITK as sitk

from FlareSegLib.base.geometry import Volume
from FlareSegLib.base.job import Job
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.pipeline import default_model, segment_file
from Testing.phantoms import abdomen

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    volume: Volume = abdomen((64, 60, 76), (5.0, 5.0, 5.0), noise_hu=15)[0]
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    path = tmp_path_factory.mktemp("ct") / "ct.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


def sums(ct, folder, name, **options):
    """Return the sha256 of labelmap, table and picture."""
    job = Job(ct, folder / name, csv=folder / "o.csv", preview=folder / "o.png")
    segment_file(job, default_model(), RunOptions(**options))
    paths = (job.labelmap, job.csv, job.preview)
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", ["o.nii.gz", "o.seg.nrrd"])
def test_the_weights_that_ship_give_the_same_bytes_with_any_threads(ct, tmp_path, runtime, name):
    pytest.importorskip(runtime)
    found = [
        sums(ct, tmp_path / str(n), name, threads=threads, runtime=runtime)
        for n, threads in enumerate((1, 2, 1))
    ]
    assert found[0] == found[1] == found[2]


def test_another_input_gives_other_bytes(ct, tmp_path):
    first = sums(ct, tmp_path / "a", "o.nii.gz", threads=1, runtime="onnxruntime")
    image = sitk.ReadImage(str(ct))
    other = tmp_path / "other.nii.gz"
    sitk.WriteImage(sitk.Flip(image, [False, True, False]), str(other))
    assert first[0] != sums(other, tmp_path / "b", "o.nii.gz", threads=1, runtime="onnxruntime")[0]
