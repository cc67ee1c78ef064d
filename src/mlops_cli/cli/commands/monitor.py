"""`mlops monitor`: what the deployed model answered, judged window by window."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, TargetOption
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.cli.windows import render_monitor
from mlops_cli.errors import DriftError

if TYPE_CHECKING:
    from mlops_cli.actions.monitor import MonitorResult


def monitor_command(
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Default: the first prediction.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Default: now.")
    ] = None,
    textfile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Metrics for node_exporter: NAME.prom.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="URL", help="Push metrics to this Pushgateway.")
    ] = None,
    target: TargetOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Collect, and judge each whole window of the log that is new or has changed; exit 5: drift."""

    def work() -> MonitorResult:
        from mlops_cli.actions.monitor import monitor
        from mlops_cli.config.load import load_project

        loaded, told = load_project(project, env=env), TerminalProgress()
        found = monitor(loaded, since=since, until=until, target=target, progress=told)
        if textfile is None and push is None:
            return found
        from mlops_cli.exports.monitored import publish

        remarks = publish(loaded, datetime.now(UTC), textfile=textfile, push=push)
        return replace(found, remarks=(*found.remarks, *remarks))

    execute("monitor", work, render_monitor, as_json=as_json, exit_code=_exit_code)


def _exit_code(result: MonitorResult) -> int:
    return DriftError.exit_code if result.drifted else 0
