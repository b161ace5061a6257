"""Import paths that former versions of the README named work for one release, and warn."""

import importlib
import sys

import pytest

import FlareSegLib
from FlareSegLib.base import job, run_options
from FlareSegLib.base.moved import _NEW
from FlareSegLib.batch import run
from FlareSegLib.inference import runtimes


@pytest.mark.parametrize("old", sorted(_NEW))
def test_an_old_path_gives_the_same_things_and_warns(old):
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {_NEW[old][0]}"):
        module = importlib.import_module(old)
    for new in map(importlib.import_module, _NEW[old]):
        public = [name for name in vars(new) if not name.startswith("_")]
        assert public
        assert all(getattr(module, name) is getattr(new, name) for name in public)


def test_the_names_that_the_readme_showed_are_there():
    for name in ("config", "io", "job", "runtimes", "cases"):
        assert f"FlareSegLib.{name}" in _NEW
    assert run_options.RunOptions
    assert job.Job
    assert runtimes.load_network


def test_batch_gives_what_it_had_before_it_was_a_room():
    with pytest.warns(DeprecationWarning, match=r"batch\.run\.run_batch"):
        found = FlareSegLib.batch.run_batch
    assert found is run.run_batch
    with pytest.raises(AttributeError, match="nothing"):
        _ = FlareSegLib.batch.nothing
