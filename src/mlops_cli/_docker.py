"""The one door to a Docker engine: found as the docker command finds it, its faults typed.

Packaging builds images through it and the target `docker` runs them; both are siblings, so the
door stands below them.
"""

from __future__ import annotations

import errno
import io
import os
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.errors
import requests

from mlops_cli._json import message_of
from mlops_cli._poll import wait_until
from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import Progress

_TIMEOUT = 120  # seconds that the engine may take for one answer
_START_LIMIT = 120.0  # seconds that a container has to become ready
_STEP = 0.05  # seconds between two looks
_SHOWN = 500  # characters of an engine's own message
_LAST_WORDS = 1500  # characters of a container's log
_PORT_TAKEN = re.compile(
    r"port is already allocated|address already in use|ports are not available"
)

NotFound = docker.errors.NotFound  # what was asked for is not in the engine
EngineError = docker.errors.APIError  # what the engine answered is a fault


@contextmanager
def engine(what: str) -> Iterator[Any]:
    """A client of the engine that DOCKER_HOST, or else Docker's current context, names.

    In the block the engine's faults become `EnvironmentFault`: `what`, with the engine's reason;
    so does an engine that does not answer, or whose socket is not ours to use.
    """
    try:
        client = docker.from_env(timeout=_TIMEOUT)
    except (docker.errors.DockerException, requests.RequestException, OSError, ValueError) as e:
        raise _unreachable(e) from e  # ValueError: an address that is none
    try:
        _check(client)
        with _faults(what):
            yield client
    finally:
        client.close()


def _check(client: Any) -> None:
    try:
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError) as e:
        raise _unreachable(e) from e


@contextmanager
def _faults(what: str) -> Iterator[None]:
    try:
        yield
    except docker.errors.APIError as e:
        reason = str(e.explanation or e)[:_SHOWN].strip()
        if _PORT_TAKEN.search(reason):
            hint = "stop what uses it, or choose another one: mlops deploy --port N"
            raise EnvironmentFault(f"{what}: the port is in use ({reason})", hint=hint) from e
        raise EnvironmentFault(f"{what}: {reason}") from e
    except (docker.errors.DockerException, requests.RequestException) as e:
        hint = "see whether the engine still runs: docker info"
        raise EnvironmentFault(f"{what}: {str(e)[:_SHOWN]}", hint=hint) from e


def drop(container: Any) -> None:
    """Remove a container and its volumes, as a way out of a fault: that one must not be lost."""
    with suppress(docker.errors.DockerException, requests.RequestException):
        container.remove(force=True, v=True)


def put_file(
    container: Any, path: str, content: bytes, *, mode: int = 0o444, group: int = 0
) -> None:
    """Have a file, root's and of that group, in a folder that the container has.

    Raises `EnvironmentFault` where the engine does not take it.
    """
    where, packed = PurePosixPath(path), io.BytesIO()
    entry = tarfile.TarInfo(where.name)
    entry.size, entry.mode, entry.gid, entry.mtime = len(content), mode, group, time.time()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(content))
    if not container.put_archive(str(where.parent), packed.getvalue()):
        raise EnvironmentFault(
            f"{path} does not reach the container {container.name}",
            hint="see whether it still runs: docker ps --all",
        )


def file_in(container: Any, path: str) -> bytes:
    """The content of a file of the container; raises `NotFound` where there is none."""
    chunks, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as entries:
        found = entries.extractfile(entries.getmembers()[0])
        return found.read() if found is not None else b""


def published_on() -> tuple[str, str]:
    """Where a port for this process alone is bound by the engine, and the host that reaches it.

    An engine behind TCP is another machine, or another container of a build: its loopback is not
    ours.
    """
    where = urlsplit(os.environ.get("DOCKER_HOST", ""))
    if where.scheme in ("tcp", "http", "https") and where.hostname:
        return "0.0.0.0", where.hostname  # noqa: S104  the only way to reach it from here
    return "127.0.0.1", "127.0.0.1"


def wait_until_ready(container: Any, ready: Callable[[], object], progress: Progress) -> None:
    """Return when `ready()` is true of the started container.

    Raises `EnvironmentFault` with its last words where it ends, starts over or takes too long.
    """
    started = time.monotonic()

    def look() -> bool:
        if ready():
            return True
        container.reload()
        state = container.attrs["State"]
        if not state["Running"] or state.get("Restarting") or container.attrs["RestartCount"]:
            raise EnvironmentFault(f"the container ended: {last_words(container)}")
        progress.update(f"starting {container.name}", done=time.monotonic() - started)
        return False

    if not wait_until(look, seconds=_START_LIMIT, step=_STEP):
        raise EnvironmentFault(
            f"the container was not ready within {_START_LIMIT:.0f} s: {last_words(container)}"
        )


def last_words(container: Any) -> str:
    """The end of what the container wrote, on one line; its exit code where it wrote nothing."""
    said: bytes = container.logs(tail=20)
    lines = map(message_of, said.decode(errors="replace").splitlines())
    words = " ".join(" ".join(lines).split())[-_LAST_WORDS:]
    state = container.attrs["State"]
    killed = ", killed for its memory limit" if state.get("OOMKilled") else ""
    return f"{words or 'it said nothing'} (exit code {state['ExitCode']}{killed})"


def _unreachable(e: BaseException) -> EnvironmentFault:
    where = os.environ.get("DOCKER_HOST") or "its default socket"
    if _number(e) in (errno.EACCES, errno.EPERM):
        return EnvironmentFault(
            f"this user may not use the Docker engine at {where}",
            hint="sudo usermod -aG docker $USER and log in again, or use a rootless engine",
        )
    return EnvironmentFault(
        f"no Docker engine answers at {where}: {str(e)[:_SHOWN]}",
        hint="start it (Docker Desktop, or systemctl start docker), or set DOCKER_HOST",
    )


def _number(e: BaseException | None) -> int | None:
    """The errno of the system's own error, which lies deep below what the SDK raises."""
    seen: list[Any] = [e]
    for _ in range(100):  # causes may form a circle
        if not seen:
            break
        found = seen.pop()
        if isinstance(found, OSError) and isinstance(found.errno, int):
            return found.errno
        if isinstance(found, BaseException):
            seen += [*found.args, found.__cause__, found.__context__]
            seen.append(getattr(found, "reason", None))
    return None
