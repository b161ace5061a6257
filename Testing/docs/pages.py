"""The pages of README, docs and their like, their blocks, links and headings."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT).as_posix())
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("packaging/**/*.md"),
                 *ROOT.glob("training/**/*.md"))
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str
    line: int
    reason: str
    """Why it is not run; empty if it is."""


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page):
    text = read(page)
    pattern = r"(?:<!-- not run: ([^\n]*?) -->\n)?^```(\w*)\n(.*?)^```$"
    return [
        Block(found[2], found[3], text.count("\n", 0, found.start(2)) + 1, found[1] or "")
        for found in re.finditer(pattern, text, re.DOTALL | re.MULTILINE)
    ]


def prose(page):
    """Return the text of a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", read(page), flags=re.DOTALL | re.MULTILINE)


def links(page):
    """Return the links of a page that stay in the repository: path (may be empty), heading."""
    found = re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", prose(page))
    return [(path, heading) for path, heading in found if "://" not in path]


def anchors(page):
    """Return what GitHub calls the headings of a page in links."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
