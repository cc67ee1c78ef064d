"""`mlops config`: the resolved configuration, where each value comes from, and its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.look import row
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import echo_rows

if TYPE_CHECKING:
    from mlops_cli.config.values import ConfigResult


def config_command(
    project: ProjectOption = None,
    env: EnvOption = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the configuration and where each value comes from; or its JSON Schema."""
    from mlops_cli.actions.config import configuration
    from mlops_cli.config.load import load_project
    from mlops_cli.config.schema import config_schema

    if schema:
        execute("config", config_schema, _print_schema, as_json=as_json)
    else:

        def work() -> ConfigResult:
            return configuration(load_project(project, env=env))

        execute("config", work, _render, as_json=as_json)


def _print_schema(schema: dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(schema, indent=2))


def _render(result: ConfigResult) -> None:
    import json

    echo_rows(row(v.key, f"{json.dumps(v.value)}  ({v.source})") for v in result.values)
