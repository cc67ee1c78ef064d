"""How a failure is told to a person; without Typer, since DVC's door needs it too."""

from __future__ import annotations

import sys

from mlops_cli.cli.colour import paint
from mlops_cli.errors import EnvironmentFault, MlopsError
from mlops_cli.redaction import redact

INTERRUPTED = 130


def os_fault(e: OSError) -> MlopsError:
    """A full disk or a folder that may not be written, as a typed error."""
    file = e.filename2 or e.filename  # of a copy the second is the one that is written
    where = f": {file}" if file else ""
    return EnvironmentFault(
        f"{(e.strerror or str(e)).lower()}{where}",
        hint="make room, or run where the project may be written",
    )


def bug(e: BaseException) -> MlopsError:
    """An error that is ours: the traceback goes to a file, whose path is told."""
    import tempfile
    import traceback

    text = redact("".join(traceback.format_exception(e)))
    with tempfile.NamedTemporaryFile(
        "w", prefix="mlops-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(text)
    said = redact(" ".join(str(e).split())[:200])
    return MlopsError(
        f"a bug in mlops-cli: {type(e).__name__}: {said}", hint=f"the traceback is in {log.name}"
    )


def print_error(e: MlopsError) -> None:
    """One message, and how to fix it, on standard error."""
    sys.stderr.write(f"{paint('error', 'red', sys.stderr)}: {e.message}\n")
    if e.hint:
        sys.stderr.write(f"hint: {e.hint}\n")
