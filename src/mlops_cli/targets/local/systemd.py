"""A local deployment as a systemd unit, for a machine that is to serve after a reboot, too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from mlops_cli._files import write_text
from mlops_cli._templates import render
from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.contract import DRAIN


def write_unit(
    bundle: Bundle, folder: Path, *, address: tuple[str, int], settings: Mapping[str, str]
) -> Path:
    """Write `<project>.service` to `folder`; it serves the bundle where the bundle stands."""
    host, port = address
    file = folder / f"{bundle.manifest.project}.service"
    serve = ["-m", "mlops_cli.serving", "--bundle", str(bundle.path.resolve())]
    command = [sys.executable, *serve, "--host", host, "--port", str(port)]
    text = render(
        "local/service.j2",
        file=file.name,
        version=bundle.version,
        command=" ".join(_quoted(part) for part in command),
        settings=[_quoted(f"{name}={value}") for name, value in settings.items()],
        drain=DRAIN,
    )
    write_text(file, text)
    return file


def _quoted(part: str) -> str:
    """One word of ExecStart=, whatever it holds: systemd reads %, $ and \\ in quotes, too."""
    for special, plain in (("\\", r"\\"), ('"', r"\""), ("%", "%%"), ("$", "$$"), ("\n", r"\n")):
        part = part.replace(special, plain)
    return f'"{part}"'
