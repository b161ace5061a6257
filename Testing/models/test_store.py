"""Models by their names: found, listed, exported, removed; what zips may not do."""

import json
import zipfile

import pytest

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.models.facts import listed, passes, told
from FlareSegLib.models.sources import Wanted, import_from
from FlareSegLib.models.store import (
    SHIPPED,
    export_model,
    find_model,
    list_models,
    models_folder,
    remove_model,
)
from FlareSegLib.pipeline import default_model
from Testing.tiny_model import constant_model, write_model


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FLARESEG_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "source", constant_model((8, 8, 8), 1), licence="CC BY 4.0")


def test_the_folder_of_the_environment_is_taken(store):
    assert models_folder() == store


def test_each_user_has_a_folder(monkeypatch):
    monkeypatch.delenv("FLARESEG_MODELS", raising=False)
    assert models_folder().parts[-2:] == ("flareseg", "models")


def test_an_imported_model_is_found_by_name_version_folder_and_zip(store, folder):
    made = import_from(folder)
    assert made.parent == store
    assert find_model("tiny") == find_model("tiny@0") == find_model(made) == made
    assert find_model(export_model("tiny", store.parent / "tiny.zip")) == made


def test_the_model_that_ships_has_a_name_too(store):
    assert find_model("flare13-flat") == default_model()
    assert list_models() == [default_model()]


def test_an_unknown_name_tells_those_that_there_are(store, folder):
    import_from(folder)
    with pytest.raises(ModelError, match=r"no model 'tinny'.*flare13-flat, tiny"):
        find_model("tinny")
    with pytest.raises(ModelError, match="no model 'tiny@9'"):
        find_model("tiny@9")


def test_a_removed_model_is_gone_and_the_one_that_ships_stays(store, folder):
    made = import_from(folder)
    assert remove_model("tiny") == made
    assert not made.exists()
    with pytest.raises(ModelError, match="was not imported"):
        remove_model("flare13-flat")
    with pytest.raises(ModelError, match="was not imported"):
        remove_model(str(folder))
    assert folder.exists()


def test_an_export_can_be_imported_elsewhere(store, folder, tmp_path):
    made = import_from(folder)
    archive = export_model("tiny", tmp_path / "tiny.zip")
    again = import_from(archive, into=tmp_path / "elsewhere")
    assert {path.name for path in again.iterdir()} == {path.name for path in made.iterdir()}
    assert (again / "model.onnx").read_bytes() == (made / "model.onnx").read_bytes()


def test_a_plain_onnx_file_needs_a_model_json_beside_it_and_no_checksum(store, tmp_path, folder):
    facts = json.loads((folder / "model.json").read_text())
    del facts["sha256"]
    place = tmp_path / "plain"
    place.mkdir()
    (place / "net.onnx").write_bytes((folder / "model.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"has no model\.json"):
        import_from(place / "net.onnx")
    (place / "model.json").write_text(json.dumps(facts))
    assert read_model_config(import_from(place / "net.onnx")).onnx == "net.onnx"


def test_what_holds_no_model_is_refused(store, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no model"):
        import_from(tmp_path / "empty")
    with pytest.raises(ModelError, match="is not there"):
        import_from(tmp_path / "nowhere")


def test_a_zip_of_nnunet_with_a_path_that_leads_out_is_refused(store, tmp_path):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../A__B__3d_fullres/plans.json", "{}")
    with pytest.raises(ModelError, match="do not trust it"):
        import_from(path)


def test_of_several_configurations_one_is_to_be_chosen(store, tmp_path):
    for configuration in ("2d", "3d_fullres"):
        folder = tmp_path / "set" / f"A__B__{configuration}"
        folder.mkdir(parents=True)
        (folder / "plans.json").write_text("{}")
    with pytest.raises(ModelError, match=r"holds 2 models .*choose --configuration"):
        import_from(tmp_path / "set")
    with pytest.raises(ModelError, match="holds no model"):
        import_from(tmp_path / "set", Wanted(configuration="3d_lowres"))


def test_a_model_from_elsewhere_is_marked_and_shows_its_licence(store, folder):
    lines = "\n".join(told(import_from(folder)))
    assert "CC BY 4.0" in lines
    assert "from elsewhere" in lines
    assert "from elsewhere" not in "\n".join(told(default_model()))
    assert [("from elsewhere" in line) for line in listed()] == [False, True]


def test_no_model_can_say_that_it_ships(tmp_path, folder):
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**facts, "is_foreign": False}))
    with pytest.raises(ModelError, match="unknown keys"):
        read_model_config(folder)
    assert not read_model_config(SHIPPED / "flare13-flat").is_foreign


def test_costs_count_windows_looks_and_folds(folder):
    from dataclasses import replace

    from FlareSegLib.base.geometry import Grid
    from FlareSegLib.base.recipe import Recipe

    config = replace(
        read_model_config(folder),
        recipe=Recipe(),
        spacing_mm=(1.0, 1.0, 1.0),
        flips=((0,), (1,), (0, 1)),
        more_onnx=(("b.onnx", "0" * 64),),
    )
    grid = Grid((16, 16, 16), (1.0, 1.0, 1.0))
    found = [passes(config, speed, grid) for speed in ("fast", "balanced", "accurate")]
    assert found == [3**3, 2 * 3**3, 2 * 4 * 3**3]
