"""Segments that came out of a container as a tar archive, and the commands that send them."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving import segments

Take = Callable[[Sequence[Path]], None]
SHIP = ("python", "-m", "mlops_cli.serving.ship")
AT_ONCE = 500  # names of segments in one command


def send(*, closing: bool) -> list[str]:
    """The command that writes a container's closed segments to its standard output."""
    return [*SHIP, "send", *(["--closing"] if closing else [])]


def removals(names: Sequence[str]) -> list[list[str]]:
    """The commands that remove segments of a container."""
    groups = (names[i : i + AT_ONCE] for i in range(0, len(names), AT_ONCE))
    return [[*SHIP, "remove", *group] for group in groups]


def unpack(archive: IO[bytes], folder: Path) -> list[Path]:
    """Write the segments of an archive to `folder`; other entries are left.

    Raises `EnvironmentFault` where it is no archive, or ends too early.
    """
    found = []
    try:
        with tarfile.open(fileobj=archive, mode="r|") as entries:
            for entry in entries:
                path = folder / Path(entry.name).name
                content = entries.extractfile(entry) if entry.isreg() else None
                if content and path.suffix == segments.CLOSED and segments.kind_of(path.name):
                    with content, path.open("wb") as file:
                        while chunk := content.read(1 << 20):
                            file.write(chunk)
                    found.append(path)
    except tarfile.TarError as e:
        raise EnvironmentFault(f"the log did not come whole: {e}", hint="mlops collect") from e
    return found
