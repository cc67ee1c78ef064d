"""The options that commands share, and those of commands with many, each declared once."""

from __future__ import annotations

from datetime import timedelta
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
ExplainOption = Annotated[
    bool,
    typer.Option("--explain", help="Beside each prediction what every feature contributed to it."),
]
FirstOption = Annotated[
    bool,
    typer.Option("--first", help="Register without a champion to compare with, once."),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="|".join(TARGETS),
        help="Default: deploy.target.",
        autocompletion=lambda: list(TARGETS),
    ),
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
PlanOption = Annotated[
    bool, typer.Option("--plan", help="Say what would change, and change nothing.")
]
RenderOption = Annotated[
    Path | None, typer.Option("--render", metavar="DIR", help="Write what would be applied.")
]
StopOption = Annotated[bool, typer.Option("--stop", help="End what runs for this project.")]
DeployedOption = Annotated[
    str | None, typer.Option("--version", metavar="VERSION", help="One by 12 digits.")
]
ExpectOption = Annotated[
    str | None, typer.Option("--expect", metavar="VERSION", help="Only if it is champion.")
]
AgainOption = Annotated[
    bool, typer.Option("--again", help="Also a version that a rollout withdrew.")
]
WaitOption = Annotated[
    bool,
    typer.Option("--wait", help="Until its rollout has ended; exit 4: withdrawn, 6: undecided."),
]
BatchOption = Annotated[
    bool, typer.Option("--batch", help="Build an image that scores files, too.")
]
PushOption = Annotated[
    bool, typer.Option("--push", help="Build it and push it to deploy.registry.")
]
SignOption = Annotated[
    bool, typer.Option("--sign", help="Sign the bundle and, where one is built, the image.")
]
ProvenanceOption = Annotated[
    bool,
    typer.Option("--provenance", help="Write what the model was made from, for others to read."),
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="The private key, in PEM.")
]
VersionArgument = Annotated[
    str | None,
    typer.Argument(metavar="VERSION", help="12 digits; default: the candidate, which waits."),
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the audit log.")
]
DataOption = Annotated[Path | None, typer.Option("--data", metavar="FILE", help="CSV or Parquet.")]
TimeOption = Annotated[
    str | None, typer.Option("--time", metavar="COLUMN", help="When an event happened.")
]
DateFormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--date-format", metavar="COLUMN=FORMAT", help="How dates are written: %d/%m/%Y, epoch_ms."
    ),
]
UpdateOption = Annotated[
    bool, typer.Option("--update", help="Bring a project's files to this release's template.")
]
GitOption = Annotated[bool, typer.Option("--git/--no-git", help="Keep it in git.")]
ReferenceOption = Annotated[
    bool, typer.Option("--reference", help="Leave the data where it is; a clone lacks it.")
]
LearnedOption = Annotated[
    str | None, typer.Option("--target", help="A column, or 'name = expression'.")
]
ModelOption = Annotated[
    Path, typer.Option("--model", metavar="FILE", help="The model; or an MLflow model folder.")
]
ImportedDataOption = Annotated[
    Path, typer.Option("--data", metavar="FILE", help="CSV or Parquet with its features.")
]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The new project's name.")
]
NewProjectOption = Annotated[
    Path | None,
    typer.Option("--project", metavar="DIR", help="A project, or a folder for a new one."),
]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Read a file that can run code, once, to convert it.")
]
NumbersOption = Annotated[
    bool, typer.Option("--numbers", help="-999 and such in the data are numbers.")
]


def read_duration(text: str | None, option: str, *, like: str) -> timedelta | None:
    """The value of an option such as `90d`; None where it was not given.

    Raises `UsageError`, naming the option and what it looks `like`.
    """
    from mlops_cli.config.sections.base import duration
    from mlops_cli.errors import UsageError

    try:
        return duration(text) if text is not None else None
    except ValueError as e:
        raise UsageError(f"{option}: {e}", hint=f"{option} {like}") from e
