"""`python -m mlops_cli.serving`: the server's process, in an image or under a supervisor."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from mlops_cli.errors import MlopsError
from mlops_cli.serving.console import FORMATS, Console
from mlops_cli.serving.contract import DIGEST, PORT
from mlops_cli.serving.server import Address, Heard, Ready, proven, serve
from mlops_cli.serving.settings import from_environment


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal; returns the process' exit code, 0 after a clean end."""
    options = _parser().parse_args(arguments)
    if options.ready_fd is not None:
        os.set_blocking(options.ready_fd, False)
    console = Console(options.log_format)
    _end_on_sigterm_while_starting()
    # Rows are predicted by one thread a worker; and threads that OpenMP keeps survive no fork.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

    def on_ready(ready: Ready) -> None:
        _tell(options.ready_fd, "ready")
        console.say(f"{ready.model} {ready.digest[:12]} answers on {ready.url}")

    def on_second() -> None:
        """Tell the supervisor that the loop turns."""
        _write(options.ready_fd, b".")

    try:
        if options.check:
            proven(options.bundle, trust=from_environment(os.environ).trust)
            return 0
        serve(
            options.bundle,
            Address(options.host, options.port, options.fd),
            Heard(on_ready, on_second),
            digest=os.environ.get(DIGEST) or None,
            settings=from_environment(os.environ),
        )
    except MlopsError as e:
        _tell(options.ready_fd, f"failed: {e.message}")
        console.say(f"error: {e.message}", error=True)
        if e.hint:
            console.say(f"hint: {e.hint}", error=True)
        return e.exit_code
    return 0


def _end_on_sigterm_while_starting() -> None:
    """As the first process of a container, for which the kernel has no default action.

    The server takes the signals in its own way when it accepts.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlops_cli.serving", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--check", action="store_true", help="prove the bundle, and serve nothing")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=PORT, help="0: any free one")
    parser.add_argument("--fd", type=int, help="an inherited listening socket")
    parser.add_argument(
        "--ready-fd", type=int, help='where to write "ready" or "failed: why", then a dot a second'
    )
    parser.add_argument(
        "--log-format", choices=FORMATS, default="text", help="of its lines; json: fields of ECS"
    )
    return parser


def _tell(fd: int | None, line: str) -> None:
    _write(fd, (line.replace("\n", " ")[:2000] + "\n").encode())


def _write(fd: int | None, content: bytes) -> None:
    """Write; a full disk, or nobody who reads, ends no server."""
    if fd is not None:
        with suppress(OSError):
            os.write(fd, content)


if __name__ == "__main__":
    sys.exit(main())
