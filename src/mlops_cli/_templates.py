"""Where the Jinja templates are, and how they become text: the one place that knows either."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined


@cache
def template_folder() -> Path:
    """The folder of templates: inside the installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "templates"
    return shipped if shipped.is_dir() else package.parents[1] / "templates"


def render(name: str, **values: object) -> str:
    """The text of the template `name` (`image/Dockerfile.j2`) with these values.

    Nothing is escaped: these templates make text, YAML and Dockerfiles, not HTML. Raises
    `jinja2.UndefinedError` for a value that the template names and the caller forgot.
    """
    return _environment().get_template(name).render(values)


def render_yaml(name: str, /, **values: object) -> str:
    """The same for a template of YAML, where every value is emitted by `as_yaml`.

    The template writes `key: {{ value }}` and no quotes: no value can be forgotten, become another
    type, or bring a line of its own. Raises what `render` and `as_yaml` raise.
    """
    return _environment().overlay(finalize=_finalized).get_template(name).render(values)


def as_yaml(value: object) -> str:
    """A value as one line of JSON, which is YAML of every version, and of the same type.

    Raises `ValueError` for text that no YAML may hold (half a surrogate pair) and for NaN, and
    `TypeError` for what is no JSON.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode("utf-8")  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _finalized(value: object) -> str:
    return str(value) if isinstance(value, Undefined) else as_yaml(value)  # str() raises


# What JSON leaves as it is and a YAML reader may refuse, or take for the end of a line.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


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
