"""Links of README, docs and their like lead to files and headings; README is short."""

import pytest

from Testing.docs.pages import PAGES, ROOT, anchors, links, read


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_are_there(page):
    dead = []
    for path, heading in links(page):
        file = ((ROOT / page).parent / path if path else ROOT / page).resolve()
        if not file.exists():
            dead.append(path)
        elif heading and heading not in anchors(file.relative_to(ROOT)):
            dead.append(f"{path}#{heading}")
    assert dead == []


def test_a_heading_is_called_in_links_as_github_calls_it():
    assert {"how-it-works", "licence-and-citation"} <= (
        anchors("README.md") | anchors("CONTRIBUTING.md")
    )
    assert "one-thing-a-lesion-a-cyst-a-node" in anchors("docs/prompt.md")


def test_readme_is_one_screen_with_two_commands():
    assert len(read("README.md").splitlines()) <= 90
    assert read("README.md").count("\nflareseg ") == 2


def test_every_page_of_docs_can_be_reached_from_readme():
    seen, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        found = [((ROOT / page).parent / path).resolve() for path, _ in links(page) if path]
        names = [file.relative_to(ROOT).as_posix() for file in found]
        ahead += [name for name in names if name.endswith(".md") and name not in seen]
    missing = {page for page in PAGES if page.startswith("docs/")} - seen
    assert {page for page in missing if "decisions/" not in page} == set()  # a folder is linked
