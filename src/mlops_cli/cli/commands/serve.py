"""`mlops serve`: the model behind HTTP on this machine, in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops_cli.cli.execute import execute, print_result
from mlops_cli.cli.options import BundleOption, EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.terminal import TerminalProgress


def serve_command(
    bundle: BundleOption = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on; default: deploy.host.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Default: deploy.port.")
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the champion (or a bundle) in the foreground, until Ctrl-C."""

    def work() -> None:
        from mlops_cli.actions.serve import serve
        from mlops_cli.config.load import load_project

        serve(
            None if bundle else load_project(project, env=env),
            bundle=bundle,
            host=host,
            port=port,
            on_ready=lambda ready: print_result("serve", ready) if as_json else None,
            progress=TerminalProgress(),
        )

    execute("serve", work, lambda _: None, as_json=as_json)
