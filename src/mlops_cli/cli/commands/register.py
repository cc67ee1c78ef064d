"""`mlops register`: the stage, then version, champion and entry, on any branch."""

from __future__ import annotations

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, FirstOption, JsonOption, ProjectOption
from mlops_cli.cli.pipeline import Asked, run_stages
from mlops_cli.cli.rendering import render_run


def register_command(
    first: FirstOption = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the model to its gates and make it the champion."""
    asked = Asked(project, env, as_json, first, register=True)
    execute("register", lambda: run_stages(("register",), asked), render_run, as_json=as_json)
