"""`mlops logs`: what the deployed service wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, TargetOption

if TYPE_CHECKING:
    from mlops_cli.actions.logs import LogsResult


def logs_command(
    target: TargetOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """The last lines of the deployed service; --follow for those to come."""

    def work() -> LogsResult:
        from mlops_cli.actions.logs import logs
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        if as_json:
            return logs(loaded, target=target, follow=follow)
        return logs(loaded, target=target, follow=follow, on_line=typer.echo)

    execute("logs", work, lambda _: None, as_json=as_json)  # each line was printed as it came
