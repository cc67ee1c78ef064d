"""`mlops export`: files for other systems, made from the project's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.exported import SYSTEMS, Clock, Where, render_export
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, TargetOption

if TYPE_CHECKING:
    from mlops_cli.actions.export import ExportResult


def export_command(
    system: Annotated[Where, typer.Argument(metavar=SYSTEMS)],
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    clock: Annotated[Clock | None, typer.Option("--as", help="What runs a schedule.")] = None,
    image: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Of what a cluster runs.")
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="For a cluster; default: the champion."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace changed files.")] = False,
    target: TargetOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the files of a system to DIR; what a person changed there is not replaced."""

    def work() -> ExportResult:
        from mlops_cli.actions.export import ExportOptions, export
        from mlops_cli.config.load import load_project

        options = ExportOptions(target, clock.value if clock else None, image, force, version)
        return export(load_project(project, env=env), system.value, folder, options=options)

    execute("export", work, render_export, as_json=as_json)
