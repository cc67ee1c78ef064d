"""`mlops features`: what the model sees, whose it is, and what a server looks up."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.features import (
    Form,
    What,
    render_features,
    render_looked_up,
    render_materialized,
    render_suggested,
    suggest,
)
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption

_Text = Annotated[str | None, typer.Option(metavar="TIME", help="materialize: rows up to then.")]


def features_command(
    what: Annotated[What, typer.Argument(metavar="ACTION")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As `--as mermaid`.")] = False,
    form: Annotated[Form | None, typer.Option("--as", help="lineage: its form.")] = None,
    reason: Annotated[str | None, typer.Option(help="approve: why.")] = None,
    until: _Text = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="COLUMN=VALUE", help="get: of this key.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="get: as known then.")] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """List features, show one, tell its columns; its versions; a server's store of them."""
    from mlops_cli.actions import features as actions
    from mlops_cli.actions import online
    from mlops_cli.config.load import load_project

    def describe() -> actions.FeaturesResult:
        of, asked = load_project(project, env=env), cast("actions.Action", what.value)
        return actions.describe_features(of, asked, name, reason=reason)

    def render(result: actions.FeaturesResult) -> None:
        render_features(result, form=Form.mermaid if mermaid else form)

    if what is What.suggest:
        execute("features", lambda: suggest(project, env), render_suggested, as_json=as_json)
    elif what is What.materialize:
        execute("features", lambda: online.materialize(load_project(project, env=env), until=until),
            render_materialized, as_json=as_json)  # fmt: skip
    elif what is What.get:
        execute("features", lambda: online.get_features(load_project(project, env=env), key or [],
            at=at), render_looked_up, as_json=as_json)  # fmt: skip
    else:
        execute("features", describe, render, as_json=as_json)
