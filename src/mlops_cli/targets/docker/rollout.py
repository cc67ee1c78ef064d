"""The rollout of a container: its document, and the candidate's bundle, on a volume beside it.

The service writes the document, and swaps it for who read the last one; where it does not run,
the command writes it. The volume goes with the deployment.
"""

from __future__ import annotations

import io
import tarfile
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from mlops_cli import _docker
from mlops_cli.bundle.reader import Bundle
from mlops_cli.progress import Progress
from mlops_cli.serving.contract import ROLLOUT, USER
from mlops_cli.serving.rollouts.traffic import parse_document
from mlops_cli.targets import control
from mlops_cli.targets.base import Counted, Deployment, Kept, Release, RolloutMoved, Routes, whole
from mlops_cli.targets.docker.container import DIGEST, Spec

FOLDER = "/rollout"  # where the volume stands in the container
FILE = f"{FOLDER}/state/rollout.json"
_SEEN = f"{FOLDER}/state/seen.json"
_MOVED = RolloutMoved("another command moved the rollout", hint="mlops rollout status")


class RolloutVolume:
    """What a target with one container keeps: see `KeepsRollout`."""

    _spec: Spec

    @abstractmethod
    def _current(self, client: Any) -> Any:
        """The container that serves, or should; None where there is none."""

    @abstractmethod
    def deploy(self, routes: Routes, *, progress: Progress) -> Deployment:
        """See `Target.deploy`."""

    @abstractmethod
    def status(self) -> Deployment | None:
        """See `Target.status`."""

    @abstractmethod
    def control_secret(self) -> str | None:
        """See `Controlled.control_secret`."""

    def bring_beside(self, champion: Release, candidate: Release, *, progress: Progress) -> str:
        """The bundle's path on the volume; its image is built, which its end needs."""
        candidate.image.build(progress=progress)
        if not self._of_container(_obeys, "the container cannot be asked"):
            self.deploy(whole(champion), progress=progress)  # it is of an earlier release
        path = PurePosixPath(FOLDER, "bundles", candidate.digest)
        self._of_container(
            lambda c: _put(c, _tar_of(candidate.bundle, path)), "the candidate does not get there"
        )
        return str(path)

    def rollout(self) -> Kept | None:
        """What stands on the volume."""
        content = self._file(FILE)
        return Kept(content, sha256(content).hexdigest()) if content is not None else None

    def keep_rollout(self, document: bytes, after: Kept | None) -> None:
        """See `KeepsRollout.keep_rollout`."""
        if self.rollout() != after:
            raise _MOVED
        try:
            if (where := self._serving_at()) is not None:
                control.put(control.at(*where), document, after=_generation(after))
        except (control.Away, control.Unrouted):
            pass
        found = self.rollout()
        if found is None or found.document != document:
            if found != after:
                raise _MOVED
            self._write(FILE, document)

    def tell_rollout(self, document: bytes) -> None:
        """See `KeepsRollout.tell_rollout`."""
        if (where := self._serving_at()) is not None:
            with suppress(control.Away, control.Unrouted, RolloutMoved):
                control.put(control.at(*where), document, after=None)

    def counted(self) -> tuple[Counted, ...]:
        """See `KeepsRollout.counted`."""
        if (where := self._serving_at()) is not None:
            with suppress(control.Away, control.Unrouted):
                return (control.counted(control.at(*where)),)
        return ()

    def alone(self, digest: str) -> bool:
        """See `KeepsRollout.alone`."""
        asked = "the engine cannot be asked"
        return str(self._of_container(lambda c: c.labels[DIGEST], asked)) == digest

    def seen(self) -> bytes | None:
        """See `KeepsRollout.seen`."""
        return self._file(_SEEN)

    def keep_seen(self, content: bytes) -> None:
        """See `KeepsRollout.keep_seen`."""
        self._write(_SEEN, content)

    def _serving_at(self) -> tuple[str, str] | None:
        found, secret = self.status(), self.control_secret()
        return (found.url, secret) if found is not None and secret is not None else None

    def _file(self, path: str) -> bytes | None:
        def read(container: Any) -> bytes | None:
            with suppress(_docker.NotFound):
                return _docker.file_in(container, path)
            return None

        found: bytes | None = self._of_container(read, "the rollout cannot be read")
        return found

    def _write(self, path: str, content: bytes) -> None:
        what = "the rollout cannot be kept"
        self._of_container(lambda c: _put(c, _tar([_entry(path, content)])), what)

    def _of_container(self, ask: Callable[[Any], Any], otherwise: str) -> Any:
        """What `ask` says of the container that serves; None where there is none."""
        with _docker.engine(otherwise) as client:
            container = self._current(client)
            return ask(container) if container is not None else None


def prepare(container: Any) -> None:
    """Have the folder in which the server writes the document; it is the server's own."""
    folder = tarfile.TarInfo("state")
    folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o755, USER, USER
    _put(container, _tar([(folder, b"")]))


def forget(client: Any, volume: str) -> None:
    """Remove the volume, which nothing uses any more."""
    with suppress(_docker.NotFound):
        client.volumes.get(volume).remove(force=True)


def _obeys(container: Any) -> bool:
    """Whether its server looks for a rollout."""
    return any(line.startswith(f"{ROLLOUT}=") for line in container.attrs["Config"]["Env"] or ())


def _generation(kept: Kept | None) -> int | None:
    if kept is None:
        return None
    with suppress(ValueError):
        return parse_document(kept.document).generation
    return None


def _put(container: Any, archive: bytes) -> bool:
    return bool(container.put_archive(FOLDER, archive))


Entry = tuple[tarfile.TarInfo, bytes]


def _entry(path: str, content: bytes) -> Entry:
    entry = tarfile.TarInfo(str(PurePosixPath(path).relative_to(FOLDER)))
    entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o644, USER, USER
    return entry, content


def _tar_of(bundle: Bundle, path: PurePosixPath) -> bytes:
    """The bundle's files, root's and readable for the server."""
    return _tar(
        [
            (entry, content)
            for file in sorted(bundle.path.iterdir())
            if file.is_file()
            for entry, content in [_entry(str(path / file.name), file.read_bytes())]
        ]
    )


def _tar(entries: list[Entry]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
