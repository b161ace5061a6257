"""The config that training/README.md names works from a fresh copy: its paths lie in it."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRST = ROOT / "training" / "configs" / "first.toml"


def test_paths_of_the_first_config_lie_in_the_copy_and_are_named_in_the_readme_of_training():
    config = tomllib.loads(FIRST.read_text("utf-8"))
    readme = (ROOT / "training" / "README.md").read_text("utf-8")
    for path in (config["work"], config["data"]["cases"], config["teacher"]["onnx"]):
        inside = (FIRST.parent / path).resolve().relative_to(ROOT)
        assert path == config["work"] or f"`{inside.as_posix()}" in readme
