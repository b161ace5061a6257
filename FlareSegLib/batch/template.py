"""The template of the cohort's page: Jinja2 fills it in, and escapes whatever comes from a case."""

from __future__ import annotations

from importlib.util import find_spec

from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.paths import RESOURCES

FOLDER = RESOURCES / "Cohort"
TEMPLATE = "cohort.html.jinja"


def check_installed() -> None:
    """Check that Jinja2 is there; 3D Slicer has none.

    Raises:
        OutputError: It is not; says how to get it.
    """
    if find_spec("jinja2") is None:
        raise OutputError(
            "the page of a cohort needs Jinja2, which is not installed: run pip install "
            "'Jinja2>=3.1', or leave out --html"
        )


def fill_in(values: dict[str, object]) -> str:
    """Return the page.

    Args:
        values: By name, as the template has them.

    Raises:
        OutputError: Jinja2 is missing.
    """
    check_installed()
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    own = {name: Markup((FOLDER / f"cohort.{name}").read_text("utf-8")) for name in ("css", "js")}
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return str(environment.get_template(TEMPLATE).render(**values, **own))
