"""`mlops card`: a model's card, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption

if TYPE_CHECKING:
    from mlops_cli.reports.card import CardResult


def card_command(
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="Default: the champion.")
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """A model's card as Markdown: what is recorded, and what governance/card.yaml tells."""

    def work() -> CardResult:
        from mlops_cli.actions.card import card
        from mlops_cli.config.load import load_project

        return card(load_project(project, env=env), version)

    execute("card", work, _render, as_json=as_json)


def _render(result: CardResult) -> None:
    from mlops_cli.reports.card import model_card

    typer.echo(model_card(result), nl=False)
