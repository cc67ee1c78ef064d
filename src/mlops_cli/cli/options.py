"""The options that commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
