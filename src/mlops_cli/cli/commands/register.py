"""`mlops register`: the stage, and once more where the registry has never seen the model."""

from __future__ import annotations

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, FirstOption, JsonOption, ProjectOption
from mlops_cli.cli.pipeline import Asked, decide_and_run
from mlops_cli.cli.rendering import render_run


def register_command(
    first: FirstOption = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the model to its gates."""
    asked = Asked(project, env, as_json, first)
    execute("register", lambda: decide_and_run(("register",), asked), render_run, as_json=as_json)
