"""`mlops keys`: add, list and revoke the API keys of a server."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, TargetOption, read_duration
from mlops_cli.cli.rendering import render_keys

if TYPE_CHECKING:
    from mlops_cli.actions.keys import KeysResult


class What(StrEnum):
    """What to do with the keys."""

    add = "add"
    list = "list"
    revoke = "revoke"


def keys_command(
    what: Annotated[What, typer.Argument(metavar="add|list|revoke")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None,
    scope: Annotated[
        str, typer.Option(metavar="SCOPE,...", help="predict, explain, feedback, admin, metrics.")
    ] = "predict",
    expires: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Such as 90d; default: never.")
    ] = None,
    target: TargetOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add, list or revoke a key."""

    def work() -> KeysResult:
        from mlops_cli.actions.keys import keys
        from mlops_cli.config.load import load_project

        lasts = read_duration(expires, "--expires", like="90d")
        loaded = load_project(project, env=env)
        scopes = [s.strip() for s in scope.split(",")]
        return keys(loaded, what.value, name, scopes=scopes, expires=lasts, target=target)

    execute("keys", work, render_keys, as_json=as_json)
