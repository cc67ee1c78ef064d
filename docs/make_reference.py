"""Write the reference and the table of README.md: `python docs/make_reference.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from mlops_cli import errors
from mlops_cli.actions import groups
from mlops_cli.cli.app import app
from mlops_cli.config.schema import config_schema
from mlops_cli.stages import STAGES

TARGET = Path(__file__).resolve().parent / "reference/commands.md"
OUTPUT = Path(__file__).resolve().parent / "schemas/output.schema.json"
FRONT = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- commands: made by docs/make_reference.py -->\n", "<!-- /commands -->"


def reference() -> str:
    """The whole page."""
    parts = [_commands(), _stages(), _configuration(), _exit_codes()]
    head = "# Reference\n\nMade from the code by `python docs/make_reference.py`.\n"
    return "\n".join([head, *("\n".join(part) + "\n" for part in parts)])


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    yield (
        "With `--json` a command prints one object on one line: `command` and `result`, or `error`"
        " with `code`, `kind`, `message` and `hint`. `serve` prints it when it answers. The types"
        " are in [output.schema.json](../schemas/output.schema.json).\n"
    )
    pages = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for _, commands in groups():
        for command in commands:
            yield f"### mlops {command.name}\n\n{command.summary}\n"
            yield "```sh\n" + "\n".join(command.examples) + "\n```\n"
            yield f"From Python: `mlops_cli.{command.function}`.\n"
            yield "| option | what it does |\n|---|---|"
            yield from map(_option, pages[command.name].params)
            forms = " or ".join(_keys_of_results(command.name))
            yield f"\n`result` of `--json`: {forms}.\n"


def _keys_of_results(command: str) -> Iterator[str]:
    """The keys of what a command prints with --json, for each form that it has."""
    output = json.loads(OUTPUT.read_text(encoding="utf-8"))
    for kind in output["anyOf"]:
        if kind["properties"]["command"].get("const") == command:
            name = kind["properties"]["result"]["$ref"].rpartition("/")[2]
            yield _list(output["$defs"][name]["properties"])


def _option(parameter: Any) -> str:
    names = ", ".join(f"`{o}`" for o in [*parameter.opts, *parameter.secondary_opts])
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    return f"| {names} | {getattr(parameter, 'help', None) or ''} |"


def front() -> str:
    """README.md with its table of commands."""
    before, _, rest = FRONT.read_text(encoding="utf-8").partition(BEGIN)
    rows = ["| command | what it does |", "|---|---|"]
    for group, commands in groups():
        rows.append(f"| **{group}** | |")
        rows += [f"| `{f'mlops {c.name} {c.usage}'.strip()}` | {c.summary} |" for c in commands]
    return f"{before}{BEGIN}" + "\n".join(rows) + f"\n{END}{rest.partition(END)[2]}"


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
        sections = _sections(field, definitions)
        if sections:
            if _forms(field):
                said = field.get("description", "")
                yield f"| `{prefix}{key}` | {_either(field)} | | {said} |"
            for inner in sections:
                yield from _keys(inner, definitions, f"{prefix}{key}.")
            continue
        default = "required" if key in required else f"`{_written(field.get('default', {}))}`"
        meaning = field.get("description", "").replace("|", "\\|").replace("\n", " ")
        yield f"| `{prefix}{key}` | {_form(field)} | {default} | {meaning} |"


def _sections(field: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """The section that a key is, be it one that may be null, or one of several."""
    forms = (field, *_forms(field))
    found = [definitions.get(form.get("$ref", "").rpartition("/")[2], {}) for form in forms]
    return [inner for inner in found if "properties" in inner]


def _forms(field: dict[str, Any]) -> list[dict[str, Any]]:
    """The forms that a key may have, where it is more than one."""
    return list(field.get("anyOf") or field.get("oneOf") or ())


def _either(field: dict[str, Any]) -> str:
    """What a key may be that is a section or something else."""
    kinds = [form.get("type", "section") for form in _forms(field)]
    return " or ".join("`null`" if kind == "null" else kind for kind in dict.fromkeys(kinds))


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
    FRONT.write_text(front(), encoding="utf-8")
