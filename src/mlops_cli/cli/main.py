"""`mlops`: every command, in the order in which a project meets them."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DVC_NO_ANALYTICS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")


def main() -> None:
    """The entry point of the command `mlops`."""
    if sys.argv[1:2] == ["stage"]:  # called by DVC, six times a run: no parser, no Typer
        from mlops_cli.cli.stage import stage_command

        sys.exit(stage_command(sys.argv[2:]))
    from mlops_cli.cli.app import app

    app(prog_name="mlops")
