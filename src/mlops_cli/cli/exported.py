"""What `mlops export` wrote, as lines for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.execute import relative

if TYPE_CHECKING:
    from mlops_cli.actions.export import ExportResult


def render_export(result: ExportResult) -> None:
    """A line a file."""
    for name in result.written:
        typer.echo(f"wrote {relative(Path(result.folder) / name)}")
    for name in result.unchanged:
        typer.echo(f"as it was: {relative(Path(result.folder) / name)}")
