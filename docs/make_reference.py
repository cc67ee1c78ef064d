"""Write docs/reference.md anew from the code: `python docs/make_reference.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from mlops_cli import errors
from mlops_cli.cli.app import app
from mlops_cli.config.schema import config_schema
from mlops_cli.stages import STAGES

TARGET = Path(__file__).resolve().parent / "reference.md"


def reference() -> str:
    """The whole page."""
    parts = [_commands(), _stages(), _configuration(), _exit_codes()]
    head = "# Reference\n\nMade from the code by `python docs/make_reference.py`.\n"
    return "\n".join([head, *("\n".join(part) + "\n" for part in parts)])


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        yield f"### mlops {name}\n\n{(command.help or '').strip()}\n"
        yield "| option | what it does |\n|---|---|"
        for parameter in command.params:
            names = ", ".join(f"`{o}`" for o in [*parameter.opts, *parameter.secondary_opts])
            if parameter.param_type_name == "argument":
                names = f"`{parameter.metavar or parameter.name.upper()}`"
            yield f"| {names} | {getattr(parameter, 'help', None) or ''} |"
        yield ""


def _stages() -> Iterator[str]:
    yield "## Stages\n"
    yield "| stage | what it does | reads of `mlops.yaml` | needs | makes |\n|---|---|---|---|---|"
    for s in STAGES:
        made = [*s.outs, *s.uncached, *s.metrics, *s.plots]
        cells = [s.name, s.summary, _list(s.params), _list(s.deps), _list(made)]
        yield f"| {' | '.join(cells)} |"


def _configuration() -> Iterator[str]:
    schema = config_schema()
    yield "## mlops.yaml\n"
    yield "| key | form | default | meaning |\n|---|---|---|---|"
    yield from _keys(schema, schema["$defs"], "")


def _keys(model: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Iterator[str]:
    required = model.get("required", [])
    for key, field in model["properties"].items():
        inner = definitions.get(field.get("$ref", "").rpartition("/")[2])
        if inner and "properties" in inner:
            yield from _keys(inner, definitions, f"{prefix}{key}.")
            continue
        default = "required" if key in required else f"`{_written(field.get('default', {}))}`"
        meaning = field.get("description", "").replace("|", "\\|").replace("\n", " ")
        yield f"| `{prefix}{key}` | {_form(field)} | {default} | {meaning} |"


def _written(default: Any) -> str:
    """A default as it may stand in `mlops.yaml`."""
    return default if isinstance(default, str) else json.dumps(default)


def _form(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        return " or ".join(_form(f) for f in field["anyOf"] if f.get("type") != "null")
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if field.get("type") == "array" and "items" in field:
        return f"list of {_form(field['items'])}"
    return str(field.get("type", "object"))


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| code | meaning |\n|---|---|\n| 0 | done |"
    yield "| 1 | a bug in mlops-cli; the traceback is in a file whose path is printed |"
    classes = [c for c in vars(errors).values() if _is_kind(c)]
    for cls in sorted(classes, key=lambda c: c.exit_code):
        yield f"| {cls.exit_code} | {(cls.__doc__ or '').splitlines()[0]} |"
    yield "| 130 | interrupted |"


def _is_kind(cls: object) -> bool:
    return isinstance(cls, type) and errors.MlopsError in cls.__bases__


def _list(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
