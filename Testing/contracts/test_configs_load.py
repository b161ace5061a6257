"""Every training config in the repository can be read."""

from pathlib import Path

import pytest

from training.config import read_config

CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").glob("*.toml"))


def test_there_is_a_config():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_loads(path):
    config = read_config(path)
    assert config.minutes > 0
    assert all(folder.is_absolute() for folder in (config.cases, config.work, config.teacher))


def test_unknown_key_is_an_error(tmp_path):
    text = CONFIGS[0].read_text(encoding="utf-8")
    (tmp_path / "wrong.toml").write_text("minuets = 3\n" + text, encoding="utf-8")
    with pytest.raises(ValueError, match="minuets"):
        read_config(tmp_path / "wrong.toml")
