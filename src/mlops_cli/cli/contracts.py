"""What `mlops contract` may be asked, and its answers as lines for a terminal."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.look import row
from mlops_cli.cli.rendering import echo_rows

if TYPE_CHECKING:
    from mlops_cli.actions.contract import ContractEntry, ContractResult
    from mlops_cli.cli.look import Row
    from mlops_cli.contracts.changes import Change

_WIDEST = 60  # characters of a value


class What(StrEnum):
    """What to do with the contracts."""

    infer = "infer"
    check = "check"
    diff = "diff"
    publish = "publish"
    list = "list"
    export = "export"
    report = "report"


class As(StrEnum):
    """The form of an export."""

    json_schema = "json-schema"
    avro = "avro"
    pandera = "pandera"
    great_expectations = "great-expectations"
    odcs = "odcs"
    dbt = "dbt"


def render_contract(result: ContractResult) -> None:
    """What was done or found, and each change."""
    if result.action == "list":
        echo_rows(_entry(entry) for entry in result.contracts)
        return
    echo_rows(_change(change) for change in result.changes)
    for name in (*result.exported.written, *result.exported.unchanged) if result.exported else ():
        typer.echo(f"{result.exported.folder}/{name}" if result.exported else name)
    for remark in result.remarks:
        typer.echo(remark)
    if said := _outcome(result):
        typer.echo(said)


def _outcome(result: ContractResult) -> str:
    match result.action:
        case "infer" | "report":
            return f"wrote {result.file}"
        case "publish" if result.published:
            return f"published {result.file}"
        case "publish":
            return f"{result.name} says what its version {result.version} says"
        case "check" if result.version is None:
            return f"{result.name} was never published; next: mlops contract publish {result.name}"
        case "check":
            return f"{result.name} may follow its version {result.version}"
        case "diff" if not result.changes:
            return f"{result.name}: no change from version {result.version}"
    return ""


def _entry(entry: ContractEntry) -> Row:
    version = f"version {entry.version}" if entry.version else "not published"
    state = ", changed since" if entry.changed else ""
    owner = f"owner {entry.owner}" if entry.owner else ""
    columns = f"{entry.columns} columns"
    return row(entry.name, f"{version}{state}", entry.compatibility, columns, owner)


def _change(change: Change) -> Row:
    if change.key == "columns":
        return row(change.column or "", "new" if not change.before else "gone")
    where = change.column or "the table"
    return row(where, change.key, f"{_told(change.before)} -> {_told(change.after)}")


def _told(value: object) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."
