"""The pages of the site are there, the made ones too, and say what they are for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import FlareSegLib

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "pages"
    subprocess.run([sys.executable, ROOT / "docs" / "make_site.py", folder], check=True)
    return folder


def test_pages_of_the_site_exist(site):
    nav = re.findall(r": (\S+\.md)", (ROOT / "mkdocs.yml").read_text("utf-8"))
    assert [page for page in nav if not (site / page).is_file()] == []


def test_links_between_pages_and_pictures_lead_somewhere(site):
    pages = [page for page in site.rglob("*.md") if page.name != "index.md"]  # README's go to files
    dead = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
        if "://" not in link and not (page.parent / link).exists()
        and not (ROOT / "docs" / link).exists()
    ]  # fmt: skip
    assert dead == []


def test_python_page_has_every_public_name_with_arguments_and_fields(site):
    text = (site / "api.md").read_text("utf-8")
    for name in set(FlareSegLib.__all__) - {"__version__"}:
        assert f"\n## {name}\n" in text
    assert re.search(r"segment\(\n    ct: Any,\n    \*,\n", text)
    assert "speed: Speed = 'balanced'," in text
    assert "Args:" in text
    assert "- `labels`: " in text


def test_slicer_page_has_its_tutorial_and_a_recipe_for_scripts(site):
    text = (site / "slicer.md").read_text("utf-8")
    assert text.startswith("# In 3D Slicer\n")
    assert "\n## Tutorial\n" in text
    assert "getModuleLogic" in text


def test_command_page_has_every_subcommand(site):
    text = (site / "command.md").read_text("utf-8")
    for name in ("segment", "batch", "view", "watch", "compare", "measure"):
        assert f"\n## flareseg {name}\n" in text


def test_built_pages_fetch_nothing_from_other_sites(site, tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    config = config.replace("docs_dir: work/site", f"docs_dir: {site}")
    (tmp_path / "mkdocs.yml").write_text(
        config.replace("dist/site", str(tmp_path / "built")), "utf-8"
    )
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "-f", tmp_path / "mkdocs.yml"]
    subprocess.run(words, check=True)
    fetching = re.compile(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]+)"')
    pages = (tmp_path / "built").rglob("*.html")
    found = {url for page in pages for url in fetching.findall(page.read_text("utf-8"))}
    assert found
    assert [url for url in found if "//" in url] == []
