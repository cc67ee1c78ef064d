"""Where the Jinja templates are, and how they become text: the one place that knows either."""

from __future__ import annotations

import difflib
import json
import re
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateSyntaxError, Undefined
from jinja2.sandbox import SandboxedEnvironment

from mlops_cli.errors import UsageError

OWN = "templates"  # a project's folder of its own ones
KINDS = ("image", "kubernetes", "docker", "local")  # the folders in it that count
_GUIDE = "docs/guides/templates.md of mlops-cli has the names, and the values that each gets"


@cache
def template_folder() -> Path:
    """The folder of templates: inside the installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "templates"
    return shipped if shipped.is_dir() else package.parents[1] / "templates"


def own_templates(root: Path) -> Path | None:
    """The folder of a project's own templates, which win over ours by name; None without one.

    Raises `UsageError` for a file in it that stands where a template may, and is called as none.
    """
    folder = root / OWN
    known = {f"{kind}/{p.name}" for kind in KINDS for p in (template_folder() / kind).iterdir()}
    found = {p.relative_to(folder).as_posix() for kind in KINDS for p in (folder / kind).glob("*")}
    for name in sorted(found - known):
        if name.endswith(".j2"):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            kind = name.partition("/")[0]
            names = ", ".join(sorted(k for k in known if k.startswith(f"{kind}/")))
            raise UsageError(
                f"{OWN}/{name} is no template; the nearest name of one is {near}",
                hint=f"{OWN}/ may hold {names}; {_GUIDE}",
            )
    return folder if found else None


def is_own(own: Path | None, name: str) -> bool:
    """Whether the project has the template `name` itself."""
    return own is not None and (own / name).is_file()


def render(name: str, /, *, own: Path | None = None, **values: object) -> str:
    """The text of the template `name` (`image/Dockerfile.j2`) with these values.

    One in the folder `own` wins. Nothing is escaped: these templates make text, YAML and
    Dockerfiles, not HTML. Raises `jinja2.UndefinedError` for a value that the template names and
    the caller forgot, and `UsageError` with file and line for whatever fails in one of `own`.
    """
    return _render(_environment(own), name, own, values)


def render_yaml(name: str, /, *, own: Path | None = None, **values: object) -> str:
    """The same for a template of YAML, where every value is emitted by `as_yaml`.

    The template writes `key: {{ value }}` and no quotes: no value can be forgotten, become another
    type, or bring a line of its own. Raises what `render` and `as_yaml` raise.
    """
    return _render(_environment(own).overlay(finalize=_finalized), name, own, values)


def _render(
    environment: Environment, name: str, own: Path | None, values: Mapping[str, object]
) -> str:
    if not is_own(own, name):
        return environment.get_template(name).render(values)
    try:
        return environment.get_template(name).render(values)
    except Exception as e:  # a template is a program: whatever it does wrong is its own fault
        line = _line_of(e, name)
        where = f"{OWN}/{name}, line {line}" if line else f"{OWN}/{name}"
        raise UsageError(f"{where}: {str(e)[:300]}", hint=_GUIDE) from e


def _line_of(e: Exception, name: str) -> int | None:
    if isinstance(e, TemplateSyntaxError):
        return e.lineno
    calls = reversed(traceback.extract_tb(e.__traceback__))
    return next((call.lineno for call in calls if call.filename.endswith(name)), None)


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
def _environment(own: Path | None = None) -> Environment:
    folders = [own, template_folder()] if own else [template_folder()]
    return SandboxedEnvironment(  # a cloned project's template reaches its values, and no more
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
