"""`mlops features`: what the model sees, where it comes from, and what a server looks up."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.features import (
    What,
    render_features,
    render_looked_up,
    render_materialized,
)
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption


def features_command(
    what: Annotated[What, typer.Argument(metavar="list|show|lineage|materialize|get")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="The lineage as a Mermaid flowchart.")
    ] = False,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="materialize: rows up to then (now).")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="COLUMN=VALUE", help="get: of this key.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="get: as known then.")] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """List features, show one, tell its columns; fill the online store, or look a key up there."""
    from mlops_cli.actions import features as actions
    from mlops_cli.actions import online
    from mlops_cli.config.load import load_project

    def describe() -> actions.FeaturesResult:
        of = load_project(project, env=env)
        return actions.describe_features(of, cast("actions.Action", what.value), name)

    def render(result: actions.FeaturesResult) -> None:
        if mermaid and result.mermaid:
            typer.echo(result.mermaid, nl=False)
        else:
            render_features(result)

    if what is What.materialize:
        execute("features", lambda: online.materialize(load_project(project, env=env), until=until),
            render_materialized, as_json=as_json)  # fmt: skip
    elif what is What.get:
        execute("features", lambda: online.get_features(load_project(project, env=env), key or [],
            at=at), render_looked_up, as_json=as_json)  # fmt: skip
    else:
        execute("features", describe, render, as_json=as_json)
