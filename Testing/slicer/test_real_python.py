"""FlareSeg with Slicer's own Python files, where a copy of Slicer's source is at hand.

    FLARESEG_SLICER_SOURCE=.../Slicer .venv-rig/bin/python -m pytest Testing/slicer

The rig takes Base/Python/slicer of that copy for all tests; here its SampleData.py, testing.py and
AbstractScriptedSubjectHierarchyPlugin.py take the place of the stand-ins too, over the classes of
slicer-core and the rig's Qt. Nothing of them is in this repository.
"""

import hashlib
import importlib.util
import os
import sys
import zipfile
from pathlib import Path

import pytest

SOURCE = Path(os.environ.get("FLARESEG_SLICER_SOURCE", ""))
FILES = {
    "SampleData": "Modules/Scripted/SampleData/SampleData.py",
    "SubjectHierarchyPlugins": "Modules/Loadable/SubjectHierarchy/Widgets/Python/"
    "SubjectHierarchyPlugins/__init__.py",
    "slicer.testing": "Base/Python/slicer/testing.py",
}
pytestmark = pytest.mark.skipif(
    not all((SOURCE / path).is_file() for path in FILES.values()),
    reason="FLARESEG_SLICER_SOURCE names no copy of Slicer's source",
)


@pytest.fixture
def real(module, scene, monkeypatch):
    """Takes Slicer's own file for a name, until the test is over."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, SOURCE / FILES[name])
        found = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, found)
        spec.loader.exec_module(found)
        return found

    return load


@pytest.fixture
def sample(real, monkeypatch, tmp_path):
    """Slicer's own Sample Data, with a small archive at the address of the sample."""
    import slicer
    from FlareSegUI import Samples

    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(tmp_path / "cache"))
    slicer.mrmlScene.SetCacheManager(cache)
    archive = tmp_path / "wheel.whl"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(Samples.CT, b"a CT")
    monkeypatch.setattr(Samples, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(Samples, "URI", archive.as_uri())
    monkeypatch.setattr(slicer.modules, "sampleDataSources", {}, raising=False)
    return real("SampleData")


def register(sample):
    from FlareSegUI import Samples

    Samples.registerSamples(Path("icons"))
    (source,) = sample.SampleDataLogic.sampleDataSourcesByCategory(Samples.CATEGORY)
    return source


def test_slicers_own_sample_data_takes_the_sample_once(sample):
    from FlareSegUI import Samples

    source = register(sample)
    assert register(sample) is source
    assert source.sampleName == Samples.NAME
    assert source.customDownloader is Samples.onSampleButton
    assert source.checksums == [f"SHA256:{Samples.SHA256}"]
    assert source.loadFileTypes == ["ZipFile"]


def test_slicers_own_sample_data_fetches_checks_and_unpacks_it(sample):
    from FlareSegUI import Samples

    (folder,) = sample.SampleDataLogic().downloadFromSource(register(sample))
    assert (Path(folder) / Samples.CT).read_bytes() == b"a CT"


def test_the_button_loads_what_slicers_own_sample_data_fetched(sample, monkeypatch):
    import slicer

    loaded = []
    read = lambda path, properties: loaded.append((Path(path).name, properties))  # noqa: E731
    monkeypatch.setattr(slicer.util, "loadVolume", read)
    source = register(sample)
    assert source.customDownloader(source) == [None]
    assert loaded == [("cxr.nii.gz", {"name": "LIDC-IDRI-0001"})]


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_sample_that_slicers_own_code_does_not_get_is_told_in_a_box(
    sample, monkeypatch, tmp_path, damage
):
    from FlareSegUI import Samples

    from Testing.slicer.rig import ctk

    if damage == "gone":
        (tmp_path / "wheel.whl").unlink()
    else:
        monkeypatch.setattr(Samples, "SHA256", "0" * 64)
    source = register(sample)
    assert source.customDownloader(source) == []
    assert "check network and proxy" in ctk.asked[-1]


def test_slicers_own_class_of_plugins_takes_the_right_click(real, module, ct, monkeypatch):
    import slicer

    monkeypatch.delitem(sys.modules, "AbstractScriptedSubjectHierarchyPlugin")
    monkeypatch.setattr(sys, "path", list(sys.path))
    real("SubjectHierarchyPlugins")
    handler = slicer.qSlicerSubjectHierarchyPluginHandler.instance()
    handler.plugins.clear()
    module.registerPlugin()
    plugin = handler.plugins["FlareSeg"].script
    own = sys.modules["AbstractScriptedSubjectHierarchyPlugin"]
    assert Path(own.__file__).is_relative_to(SOURCE)
    assert isinstance(plugin, own.AbstractScriptedSubjectHierarchyPlugin)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(ct)
    plugin.showContextMenuActionsForItem(item)
    assert plugin.itemContextMenuActions()[0].visible
    plugin.showContextMenuActionsForItem(hierarchy.GetSceneItemID())
    assert not plugin.itemContextMenuActions()[0].visible


@pytest.mark.slow
def test_slicers_own_testing_runs_the_self_test(real, module):
    """As slicer_add_python_unittest does it: a failure raises."""
    own = real("slicer.testing")
    own.runUnitTest([str(Path(module.__file__).parent)], "FlareSeg")
