"""`mlops features`: what the model sees, and where it comes from."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.look import row
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import echo_rows

if TYPE_CHECKING:
    from mlops_cli.actions.features import FeaturesResult


class What(StrEnum):
    """What to tell of the features."""

    list = "list"
    show = "show"
    lineage = "lineage"


def features_command(
    what: Annotated[What, typer.Argument(metavar="list|show|lineage")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="The lineage as a Mermaid flowchart.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the features, show one, or tell which columns of which tables they are made of."""

    def work() -> FeaturesResult:
        from mlops_cli.actions.features import describe_features
        from mlops_cli.config.load import load_project

        return describe_features(load_project(project, env=env), what.value, name)

    def render(result: FeaturesResult) -> None:
        if mermaid and result.mermaid:
            typer.echo(result.mermaid, nl=False)
            return
        for entry in result.features:
            sources = [f"{s.table}: {s.column}" for s in (*entry.sources, *entry.keys)]
            if what is What.lineage:
                echo_rows([row(entry.name, ", ".join(sources))])
            else:
                echo_rows([row(entry.name, entry.kind, entry.type, entry.made)])

    execute("features", work, render, as_json=as_json)
