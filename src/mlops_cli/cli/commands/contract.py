"""`mlops contract`: versions of the tables' contracts, and other tools' forms of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.contracts import As, What, render_contract
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption

if TYPE_CHECKING:
    from mlops_cli.actions.contract import ContractResult

_WHATS = "|".join(what.value for what in What)


def contract_command(
    what: Annotated[What, typer.Argument(metavar=_WHATS)],
    name: Annotated[str | None, typer.Argument(metavar="[NAME|FILE]")] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why it is published.")] = None,
    since: Annotated[
        int | None, typer.Option("--from", metavar="N", help="diff: this version (last one).")
    ] = None,
    until: Annotated[
        int | None, typer.Option("--to", metavar="N", help="diff: and this one (the file).")
    ] = None,
    form: Annotated[As | None, typer.Option("--as", help="export: in this form.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="export: into this folder.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Infer, check, compare, publish, list, export or report contracts (exit 4: one is broken)."""

    def work() -> ContractResult:
        from mlops_cli.actions.contract import ContractOptions, contract
        from mlops_cli.config.load import load_project

        options = ContractOptions(reason, since, until, form.value if form else None, folder, force)
        return contract(load_project(project, env=env), what.value, name, options=options)

    execute("contract", work, render_contract, as_json=as_json)
