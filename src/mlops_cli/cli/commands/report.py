"""`mlops report`: what a trained model would change, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.errors import EnvironmentFault, GateError, InconclusiveError

if TYPE_CHECKING:
    from mlops_cli.reports.model import ReportResult


def report_command(
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="REV", help="Beside the metrics of a git revision."),
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Gates, metrics and drift of the trained model, as Markdown; exit 4 where a gate refuses."""

    def work() -> ReportResult:
        from mlops_cli.actions.report import report
        from mlops_cli.config.load import load_project

        return report(load_project(project, env=env), against=against)

    execute("report", work, _render, as_json=as_json, exit_code=_exit_code)


def _exit_code(result: ReportResult) -> int:
    if result.verdict == "passed":
        return 0
    if result.verdict == "refused":
        return GateError.exit_code
    return (EnvironmentFault if result.reason else InconclusiveError).exit_code


def _render(result: ReportResult) -> None:
    from mlops_cli.reports.markdown import model_report

    typer.echo(model_report(result), nl=False)
