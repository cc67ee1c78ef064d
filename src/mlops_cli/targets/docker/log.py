"""The prediction log of a container, on a volume that outlives it."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterable
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any

from mlops_cli import _docker
from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving import contract
from mlops_cli.targets.shipped import Take, removals, send, unpack

_LIMIT = 60  # seconds for one look into the volume


def collect(client: Any, volume: str, image: str | None, take: Take, *, closing: bool) -> None:
    """Hand over what stands on the volume, by a container of `image`; see `KeepsLog.collect`."""
    try:
        client.volumes.get(volume)
    except _docker.NotFound:
        return
    if image is None:
        raise EnvironmentFault(
            f"the log on the volume {volume} cannot be read: no image of the project is here",
            hint="mlops deploy --target docker, then mlops collect",
        )
    with tempfile.TemporaryDirectory() as folder:
        looked = _run(client, volume, image, send(closing=closing))
        try:
            # Not by what it wrote: the engine would keep that as a log, and cut it.
            stream, _ = looked.get_archive(contract.LOG)
            found = unpack(BufferedReader(_Stream(stream), 1 << 20), Path(folder))
            deque(stream, maxlen=0)  # an archive ends before its stream: the rest holds a socket
        finally:
            looked.remove(force=True)
        if found:
            take(found)
            for command in removals([path.name for path in found]):
                _run(client, volume, image, command).remove(force=True)


def _run(client: Any, volume: str, image: str, command: list[str]) -> Any:
    """A container that has done `command` with the volume; it is still there."""
    container = client.containers.create(
        image,
        entrypoint=command[:1],
        command=command[1:],
        environment={contract.LOG_DIR: contract.LOG},
        volumes={volume: {"bind": contract.LOG, "mode": "rw"}},
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        log_config={"Type": "none"},
    )
    try:
        container.start()
        code = container.wait(timeout=_LIMIT)["StatusCode"]
        if code:
            raise EnvironmentFault(f"the log on the volume {volume} cannot be read (exit {code})")
    except BaseException:
        _docker.drop(container)
        raise
    return container


class _Stream(RawIOBase):
    """Chunks as a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)
