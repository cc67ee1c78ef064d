"""`mlops alerts`: what fires and what waits; a try of every sink; silences."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.alerts import render_alerts
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, read_duration
from mlops_cli.errors import EnvironmentFault

if TYPE_CHECKING:
    from mlops_cli.actions.alerts import AlertsResult


class What(StrEnum):
    """What to do with the alerts."""

    test = "test"
    list = "list"
    silence = "silence"


def alerts_command(
    what: Annotated[What, typer.Argument(metavar="test|list|silence")],
    alert: Annotated[str | None, typer.Argument(metavar="[KEY|WHEN]")] = None,
    lasts: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="Such as 2h; 0s ends it.")
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why it is silent.")] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the alerts, send a test to every sink (exit 8: one did not take it), or silence one."""

    def work() -> AlertsResult:
        from mlops_cli.actions.alerts import alerting
        from mlops_cli.config.load import load_project

        time = read_duration(lasts, "--for", like="2h")
        loaded = load_project(project, env=env)
        return alerting(loaded, what.value, alert, lasts=time, reason=reason)

    execute("alerts", work, render_alerts, as_json=as_json, exit_code=_exit_code)


def _exit_code(result: AlertsResult) -> int:
    return EnvironmentFault.exit_code if any(t.fault for t in result.tested) else 0
