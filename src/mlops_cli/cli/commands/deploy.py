"""`mlops deploy`: the champion, or another version, where users reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import (
    AgainOption,
    DeployedOption,
    EnvOption,
    ExpectOption,
    JsonOption,
    PlanOption,
    PortOption,
    ProjectOption,
    RenderOption,
    StopOption,
    TargetOption,
    WaitOption,
)
from mlops_cli.cli.rendering import render_deploy
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import UsageError

if TYPE_CHECKING:
    from mlops_cli.actions.deploy import Result


def deploy_command(
    target: TargetOption = None,
    port: PortOption = None,
    only_plan: PlanOption = False,
    render_to: RenderOption = None,
    stop: StopOption = False,
    version: DeployedOption = None,
    expect: ExpectOption = None,
    again: AgainOption = False,
    wait: WaitOption = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy, plan, render or stop."""

    def work() -> Result:
        from mlops_cli.actions import deploy as action
        from mlops_cli.config.load import load_project

        if only_plan + stop + (render_to is not None) > 1:
            raise UsageError("--plan, --render and --stop are three commands", hint="choose one")
        loaded, how = load_project(project, env=env), action.How(again, wait)
        what: Any = {"target": target, "port": port, "version": version, "expect": expect}
        if only_plan:
            return action.plan(loaded, **what)
        if render_to is not None:
            return action.render(loaded, render_to, **what)
        return action.deploy(loaded, **what, stop=stop, how=how, progress=TerminalProgress())

    execute("deploy", work, render_deploy, as_json=as_json)
