"""Segments handed to the worker as their layers: voxel for voxel what Slicer itself would merge."""

import numpy as np
import pytest

from Testing.slicer.conftest import MODULE, to_node, wait_until
from Testing.slicer.test_runs import start


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(MODULE.parent / "Scripts"))
    import flareseg_layers

    return flareseg_layers


@pytest.fixture
def done(panel, ct, model):
    """A segmentation of a run on the phantom."""
    parameters = start(panel, ct, model)
    wait_until(lambda: not panel.job.isRunning)
    return parameters.outputSegmentation


def by_slicer(segmentation, ct):
    """Return what Slicer merges."""
    from FlareSegUI import Layers

    return Layers._merged(segmentation, ct, Layers.organsOf(segmentation))[0]


def by_worker(segmentation, ct, scripts, folder):
    from FlareSegUI import Layers

    Layers.write(folder, segmentation, ct)
    labelmap, organs = scripts.merged(folder)
    assert organs == Layers.organsOf(segmentation)
    return labelmap.array


def add_segment(segmentation, ct, box):
    """Draw a segment over others, as Segment Editor does where overlap is allowed."""
    from FlareSegUI import Lesions

    key = Lesions.newSegment(segmentation)
    mask = np.ones([part.stop - part.start for part in box], np.uint8)
    Lesions.writeMask(segmentation, key, ct, [part.start for part in box], mask)
    return key


def test_the_worker_merges_as_slicer_does(done, ct, scripts, tmp_path):
    from FlareSegUI import Export, Layers

    assert Layers.fit(done, ct)
    assert Export.byWorker(done, ct, "seg.nrrd")
    expected = by_slicer(done, ct)
    assert len(np.unique(expected)) > 8
    np.testing.assert_array_equal(by_worker(done, ct, scripts, tmp_path), expected)


def test_of_segments_that_overlap_the_later_one_wins_as_with_slicer(done, ct, scripts, tmp_path):
    from FlareSegUI import Export

    add_segment(done, ct, (slice(15, 25), slice(10, 30), slice(8, 30)))
    assert done.GetSegmentation().GetNumberOfLayers() == 2
    expected = by_slicer(done, ct)
    assert np.count_nonzero(expected == expected.max()) == 10 * 20 * 22
    np.testing.assert_array_equal(by_worker(done, ct, scripts, tmp_path), expected)
    assert Export.byWorker(done, ct, "nii.gz")
    assert not Export.byWorker(done, ct, "seg.nrrd")  # Slicer keeps both layers


def test_a_segment_without_voxels_has_none_in_the_file(done, ct, scripts, tmp_path):
    from FlareSegUI import Lesions

    Lesions.newSegment(done)
    found = by_worker(done, ct, scripts, tmp_path)
    np.testing.assert_array_equal(found, by_slicer(done, ct))


@pytest.mark.parametrize("how", ["other voxels", "another transform", "no CT"])
def test_segments_that_lie_otherwise_than_the_ct_are_left_to_slicer(done, ct, how):
    import slicer
    from FlareSegUI import Export

    other = ct
    if how == "other voxels":
        ct.SetSpacing(*(1.01 * one for one in ct.GetSpacing()))
    elif how == "another transform":
        moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        ct.SetAndObserveTransformNodeID(moved.GetID())
    else:
        other = None
    assert not Export.byWorker(done, other, "nrrd")


def test_a_dicom_file_of_another_grid_is_still_merged_by_slicer(done, phantom, scripts, tmp_path):
    volume = phantom[0]
    crop = to_node(type(volume)(volume.array, volume.grid), "other")
    crop.SetSpacing(*(1.5 * one for one in crop.GetSpacing()))
    found = by_worker(done, crop, scripts, tmp_path)
    np.testing.assert_array_equal(found, by_slicer(done, crop))
    assert found.any()


def test_a_layer_that_reaches_out_of_the_ct_is_cut(scripts):
    here, there = scripts._overlap([-2, 3, 0], (5, 4, 2), (10, 5, 9))
    assert here == (slice(0, 3), slice(3, 5), slice(0, 2))
    assert there == (slice(2, 5), slice(0, 2), slice(0, 2))
    here, there = scripts._overlap([-9, 0, 0], (5, 4, 2), (10, 5, 9))
    assert here[0].start == here[0].stop


@pytest.mark.parametrize("form", ["nii.gz", "nrrd", "seg.nrrd"])
def test_a_labelmap_from_the_worker_lies_on_the_ct_and_names_its_organs(
    panel, done, ct, tmp_path, form
):
    import SimpleITK as sitk
    from FlareSegUI import Nodes

    from FlareSegLib.images.reading import read_labelmap
    from Testing.slicer.conftest import grids_agree

    target = tmp_path / f"\u017e.{form}"
    panel.runs.onExport(target)
    wait_until(lambda: not panel.job.isRunning)
    assert panel.ui.statusLabel.text == "Written", panel.ui.logText.toPlainText()
    found = read_labelmap(target)
    assert grids_agree(found.grid, Nodes.gridOf(ct))
    np.testing.assert_array_equal(found.array, by_slicer(done, ct))
    if form == "seg.nrrd":
        image = sitk.ReadImage(str(target))
        assert image.GetMetaData("Segment0_Name") == "liver"
        assert "10200004" in image.GetMetaData("Segment0_Tags")
