"""`mlops ab`: two versions that share the traffic, compared as an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.experiment import render_ab
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, TargetOption
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.experiments.found import AbResult


def ab_command(
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="When the experiment began.")
    ],
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Default: now.")
    ] = None,
    kpi: Annotated[
        Path | None, typer.Option("--kpi", metavar="FILE", help="Metrics by request or subject.")
    ] = None,
    target: TargetOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Collect, and compare the candidate with the champion, with intervals for every look."""

    def work() -> AbResult:
        from mlops_cli.actions.ab import ab
        from mlops_cli.config.load import load_project

        loaded, told = load_project(project, env=env), TerminalProgress()
        return ab(loaded, since=since, until=until, kpi=kpi, target=target, progress=told)

    execute("ab", work, render_ab, as_json=as_json)
