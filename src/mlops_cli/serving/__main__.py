"""`python -m mlops_cli.serving`: the server's process, in an image or under a supervisor."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from mlops_cli.errors import MlopsError
from mlops_cli.serving.server import Address, Ready, serve


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal; returns the process' exit code, 0 after a clean end."""
    options = _parser().parse_args(arguments)
    _end_on_sigterm_while_starting()
    _start_as_in_an_image()

    def on_ready(ready: Ready) -> None:
        _tell(options.ready_fd, "ready")
        sys.stderr.write(f"{ready.model} {ready.digest[:12]} answers on {ready.url}\n")

    try:
        address = Address(options.host, options.port, options.fd)
        serve(options.bundle, address, on_ready, digest=os.environ.get("MLOPS_DIGEST") or None)
    except MlopsError as e:
        _tell(options.ready_fd, f"failed: {e.message}")
        sys.stderr.write(f"error: {e.message}\n")
        if e.hint:
            sys.stderr.write(f"hint: {e.hint}\n")
        return e.exit_code
    return 0


def _end_on_sigterm_while_starting() -> None:
    """As the first process of a container, for which the kernel has no default action.

    The server takes the signals in its own way when it accepts.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))


def _start_as_in_an_image() -> None:
    """XGBoost imports scikit-learn, and with it pandas, wherever they are installed.

    No image has them and nothing here uses them; without them a restart takes 0.4 s, not 1.4.
    """
    sys.modules.setdefault("sklearn", None)  # type: ignore[arg-type]  # documented: "not to be had"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlops_cli.serving", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0: any free one")
    parser.add_argument("--fd", type=int, help="an inherited listening socket")
    parser.add_argument("--ready-fd", type=int, help='where to write "ready" or "failed: why"')
    return parser


def _tell(fd: int | None, line: str) -> None:
    if fd is not None:
        os.write(fd, (line.replace("\n", " ")[:2000] + "\n").encode())
        os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
