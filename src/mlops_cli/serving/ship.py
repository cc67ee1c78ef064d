"""`python -m mlops_cli.serving.ship send|remove`: a container's log, for who collects it.

`send` writes the closed segments to standard output as a tar archive, and with `--closing` has the
server close what it has open first. `remove NAME...` removes those that were stored elsewhere.
"""

from __future__ import annotations

import argparse
import os
import sys
import tarfile
from contextlib import suppress
from pathlib import Path

from mlops_cli.serving import segments
from mlops_cli.serving.contract import LOG_DIR


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked in the folder that the environment names; 0 also where there is none."""
    options = _parser().parse_args(arguments)
    folder = Path(os.environ.get(LOG_DIR) or options.folder)
    if options.what == "remove":
        for name in options.names:
            if segments.kind_of(name):
                (folder / name).unlink(missing_ok=True)
        return 0
    if options.closing:
        segments.close_all(folder)
    segments.close_left(folder)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for path in segments.closed(folder):
            with suppress(FileNotFoundError):  # the oldest goes where the log is full
                archive.add(path, path.name)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlops_cli.serving.ship", description=__doc__)
    parser.add_argument("what", choices=("send", "remove"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--closing", action="store_true")
    parser.add_argument("--folder", default=".", help=f"where {LOG_DIR} names none")
    return parser


if __name__ == "__main__":
    sys.exit(main())
