"""Every training config in the repository can be read, and a wrong one is refused with reasons."""

import dataclasses
import inspect
from pathlib import Path

import pytest

from training import sections
from training.config import Config, ConfigError, flat, read_config

CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").glob("*.toml"))


def test_there_is_a_config():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_loads(path):
    config = read_config(path)
    assert config.train.steps > 0
    assert config.data.cases.is_absolute()
    assert config.work.is_absolute()


def read(tmp_path, text):
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    return read_config(tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wrok = 'x'", "unknown key wrok: did you mean work?"),
        ("[train]\nlearning_rat = 1.0", "train.learning_rat: did you mean train.learning_rate?"),
        ("steps = 3", "unknown key steps: did you mean teacher.train.steps or train.steps?"),
        ("[teacher.train]\nstep = 3", "did you mean teacher.train.steps?"),
        ("[trian]\nsteps = 3", "unknown key trian: did you mean train?"),
        ("[train]\nsteps = 'many'", "train.steps is 'many'"),
        ("[train]\nsteps = 0", "train.steps is 0: it must be > 0"),
        ("[train]\npatch = [1, 2]", "train.patch has 2 values: it needs 3"),
        ("[student]\nblocks = 'abc'", "student.blocks is 'abc': it needs a list"),
        ("train = 3", "train is 3: it is a section"),
        ("[augment]\nnoise = 1.5", "augment.noise is 1.5"),
        ("[data.partial]\na = ['lung']", "data.partial.a is ['lung']"),
        ("[data]\nval_share = 1.0", "data.val_share is 1.0"),
        ("[curriculum]\neasy = 0.4\nerroneous = 0.6", "curriculum.erroneous is 0.6"),
        ("[distill]\nhard = 0\nstored = 0", "distill.hard is 0.0"),
        ("work = ", "is no TOML"),
    ],
)
def test_a_wrong_config_is_refused_with_key_and_reason(tmp_path, text, said):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    assert said in str(error.value)
    assert "c.toml" in str(error.value)


def test_a_missing_config_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        read_config(tmp_path / "none.toml")


def test_values_become_the_types_of_their_fields(tmp_path):
    text = "work = 'w'\n[teacher.train]\nsteps = 7\n[data]\nspacing_mm = [2, 1, 1]\n"
    text += "[pseudo_label.sources]\na = 'x'"
    config = read(tmp_path, text)
    assert config.work == tmp_path / "w"
    assert config.data.spacing_mm == (2.0, 1.0, 1.0)
    assert config.pseudo_label.sources == {"a": tmp_path / "x"}
    assert config.teacher.train == dataclasses.replace(sections.Teacher().train, steps=7)
    assert config.teacher.train.optimizer == "sgd"  # nnU-Net's defaults stay
    assert config.train.optimizer == "muon"


def test_lesion_is_a_class_after_the_organs():
    assert sections.Data().classes == 14
    assert sections.Data(lesion=True).classes == 15
    assert sections.Data(lesion=True, partial={"a": ("lesion",)}).keys[-1] == "lesion"
    with pytest.raises(ValueError, match="lesion"):
        sections.Data(partial={"a": ("lesion",)})


def test_every_field_has_a_docstring():
    for kind in (Config, *(f.default_factory for f in dataclasses.fields(Config)[2:])):
        text = inspect.getsource(kind).splitlines() if kind is not Config else []
        for item in dataclasses.fields(kind) if text else ():
            at = [i for i, line in enumerate(text) if line.startswith(f"    {item.name}: ")]
            assert any('"""' in "".join(text[i + 1 : i + 8]) for i in at), item.name


def test_flat_names_every_setting_in_plain_types():
    settings = flat(Config())
    assert settings["teacher.train.optimizer"] == "sgd"
    assert settings["train.patch"] == [64, 128, 160]
    assert settings["work"] == "work"
