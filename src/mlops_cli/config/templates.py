"""Where the Jinja templates are, and how they become text: the one place that knows either."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@cache
def template_folder() -> Path:
    """The folder of templates: inside the installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_templates"
    return shipped if shipped.is_dir() else package.parents[1] / "templates"


def render(name: str, **values: object) -> str:
    """The text of the template `name` (`image/Dockerfile.j2`) with these values.

    Nothing is escaped: these templates make text, YAML and Dockerfiles, not HTML. Raises
    `jinja2.UndefinedError` for a value that the template names and the caller forgot.
    """
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(template_folder()),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  the output is never HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
