"""The options that commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops_cli.targets import TARGETS

ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", metavar="DIR", help="The project's folder; default: found upwards."),
]
EnvOption = Annotated[
    str | None,
    typer.Option("--env", metavar="NAME", help="Overlay mlops.NAME.yaml."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, and nothing else, to stdout.")
]
BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="DIR", help="A bundle's folder; default: the champion's."),
]
FirstOption = Annotated[
    bool,
    typer.Option("--first", help="Register without a champion to compare with, once."),
]
TargetOption = Annotated[
    str | None,
    typer.Option("--target", metavar="|".join(TARGETS), help="Default: deploy.target."),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        metavar="PORT",
        min=1,
        max=65535,
        help="Default: that of what runs, else deploy.port.",
    ),
]
