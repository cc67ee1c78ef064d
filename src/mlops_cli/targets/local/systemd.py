"""A local deployment as a systemd unit, for a machine that is to serve after a reboot, too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_cli._files import write_text
from mlops_cli._held import hold_lines, plain_lines
from mlops_cli._templates import is_own, render
from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.contract import DRAIN

_UNIT = "local/service.j2"
_HELD = ("ExecStart=", "Environment=", "NoNewPrivileges=")


def write_unit(
    bundle: Bundle,
    folder: Path,
    *,
    address: tuple[str, int],
    settings: Mapping[str, str],
    own: Path | None = None,
) -> Path:
    """Write `<project>.service` to `folder`; it serves the bundle where the bundle stands.

    A template in `own` wins. Raises `UsageError` where it runs something else, or lacks a variable.
    """
    host, port = address
    file = folder / f"{bundle.manifest.project}.service"
    serve = ["-m", "mlops_cli.serving", "--bundle", str(bundle.path.resolve())]
    command = [sys.executable, *serve, "--host", host, "--port", str(port)]
    values: dict[str, Any] = {
        "file": file.name,
        "version": bundle.version,
        "command": " ".join(_quoted(part) for part in command),
        "settings": [_quoted(f"{name}={value}") for name, value in settings.items()],
        "drain": DRAIN,
    }
    text = render(_UNIT, own=own, **values)
    if is_own(own, _UNIT):
        _hold(plain_lines(render(_UNIT, **values)), plain_lines(text))
    write_text(file, text)
    return file


def _hold(ours: list[str], own: list[str]) -> None:
    held = [line for line in ours if line.startswith(_HELD)]
    hold_lines(_UNIT, held, own)
    for key in ("Exec", "NoNewPrivileges="):  # a second one would add a command, or win
        hold_lines(_UNIT, [line for line in own if line.startswith(key)], held)


def _quoted(part: str) -> str:
    """One word of ExecStart=, whatever it holds: systemd reads %, $ and \\ in quotes, too."""
    for special, plain in (("\\", r"\\"), ('"', r"\""), ("%", "%%"), ("$", "$$"), ("\n", r"\n")):
        part = part.replace(special, plain)
    return f'"{part}"'
