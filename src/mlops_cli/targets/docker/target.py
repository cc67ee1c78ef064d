"""A Docker engine as a target: one container, replaced only by one that has answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_cli import _docker
from mlops_cli._files import write_secret
from mlops_cli._templates import own_templates
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import Progress
from mlops_cli.serving.auth import new_control_secret
from mlops_cli.serving.contract import CONTROL, DRAIN, KEYS, LOG, ROLLOUT, USER
from mlops_cli.targets.base import Change, Deployment, Release, Routes, only
from mlops_cli.targets.docker import log, rollout
from mlops_cli.targets.docker.container import (
    ANCHOR,
    DIGEST,
    KEYS_FOLDER,
    MANAGED,
    PORT,
    PROJECT,
    SETTINGS,
    Spec,
)
from mlops_cli.targets.local.control import Control
from mlops_cli.targets.readiness import ready_digest, soon, url_of
from mlops_cli.targets.secrets import handed_over, refuse_local_files, trusting
from mlops_cli.targets.shipped import Take

NAME = "docker"
_TO_END = 5  # seconds that an engine takes beyond `DRAIN` to end what did not end by itself
_SHOWN = 500  # characters of why one does not come back
_LINES = 1000  # so many of the last lines are shown
_NEXT, _PROBE = ".next", ".probe"
_ANY = ("0.0.0.0", "::")  # noqa: S104  any address


class DockerTarget(rollout.RolloutVolume):
    """The target `docker`; what it knows stands in the containers' labels.

    Docker cannot hand a published port from one container to another: between the old server's
    last answer and the new one's first a replacement on the same port leaves a gap of a start
    (1 to 2 s). To keep it that short, the new image has been started and has answered before, on a
    port of its own. A change of port has no gap.
    """

    def __init__(self, spec: Spec, *, folder: Path) -> None:
        self._spec = spec
        self._turns = Control(folder)  # for its lock: one command at a time

    def deploy(self, routes: Routes, *, progress: Progress) -> Deployment:
        """Replace the container by one of `release`; see `Target.deploy`."""
        release = only(routes)
        refuse_local_files(self._spec.serve)
        self._spec.environment()  # before anything is done
        with self._turns.command():
            release.image.build(progress=progress)
            with _docker.engine(f"{release.version} is not deployed") as client:
                old = self._current(client)
                self._sweep(client, old)
                if old is None or self._differences(client, old, release):
                    self._replace(client, old, release, progress)
                else:
                    self._put_control(old)
            found = soon(lambda: self._serving(release))
        if found is None:
            raise EnvironmentFault(
                f"{release.version} was started and does not answer at {self._url()}/readyz",
                hint=f"docker logs {self._spec.name}",
            )
        return found

    def plan(self, routes: Routes) -> list[Change]:
        """Compare labels and settings; see `Target.plan`."""
        release = only(routes)
        refuse_local_files(self._spec.serve)
        with _docker.engine("the engine cannot be asked") as client:
            old = self._current(client)
            if old is None:
                detail = f"{release.image.name} at {self._url()}"
                return [Change("create", "container", self._spec.name, detail)]
            different = self._differences(client, old, release)
        return [Change("update", "container", self._spec.name, d) for d in different]

    def render(self, routes: Routes, folder: Path) -> list[Path]:
        """A file for `docker compose`; see `Target.render`."""
        release = only(routes)
        refuse_local_files(self._spec.serve)
        return [self._spec.write_compose(release, folder)]

    def status(self) -> Deployment | None:
        """What the engine and the server in the container say; see `Target.status`."""
        with _docker.engine("the engine cannot be asked") as client:
            container = self._current(client)
        if container is None:
            return None
        host, port = _address(container)
        running = container.attrs["State"]["Running"]
        digest = ready_digest(host, port) if running else None
        since = datetime.fromisoformat(container.attrs["State"]["StartedAt"])
        return Deployment(
            target=NAME,
            digest=digest or container.labels[DIGEST],
            url=url_of(host, port),
            healthy=digest is not None,
            since=since.replace(microsecond=0),
            port=_bound(container)[1] or None,
        )

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """The container's log; see `Target.logs`."""
        with ExitStack() as opened:
            client = opened.enter_context(_docker.engine("the log cannot be read"))
            container = self._current(client)
            if container is None:
                hint = "mlops deploy --target docker"
                raise EnvironmentFault("not deployed on docker", hint=hint)
            said = container.logs(stream=True, follow=follow, tail=_LINES)
            return _lines(said, opened.pop_all())

    def stop(self) -> bool:
        """End and remove the container, which finishes what it has; see `Target.stop`."""
        what = "the container cannot be ended"
        with self._turns.command(), _docker.engine(what) as client:
            current = self._current(client)
            if current is not None:
                current.stop(timeout=DRAIN)
            self._sweep(client, None)
            rollout.forget(client, self._spec.rollout)
        return current is not None

    def collect(self, take: Take, *, closing: bool = False) -> None:
        """What stands on the log's volume, whether or not a container runs."""
        with self._turns.command(), _docker.engine("the log cannot be read") as client:
            current = self._current(client)
            image = current.image.id if current else self._any_image(client)
            log.collect(client, self._spec.log, image, take, closing=closing)

    def _any_image(self, client: Any) -> str | None:
        found = client.images.list(filters={"label": f"{PROJECT}={self._spec.project}"})
        return str(found[0].id) if found else None

    def keys(self) -> bytes | None:
        """The file of the project, of which a container has a copy; see `KeepsKeys.keys`."""
        with suppress(FileNotFoundError):
            return self._spec.keys.read_bytes() if self._spec.keys else None
        return None

    def keep_keys(self, content: bytes) -> None:
        """Write the file, and the copy of a container that runs; see `KeepsKeys.keep_keys`."""
        if self._spec.keys is None:
            return
        write_secret(self._spec.keys, content)
        with _docker.engine("the container keeps the keys that it has") as client:
            container = self._current(client)
            if container is not None and any(
                mount["Destination"] == KEYS_FOLDER for mount in container.attrs["Mounts"]
            ):
                _put(container, KEYS, content)

    def control_secret(self) -> str | None:
        """What the container's volume holds; see `Controlled.control_secret`."""
        return self._kept(CONTROL, "the control secret cannot be read")

    def anchor(self) -> str | None:
        """What the container's volume holds; see `KeepsAnchor.anchor`."""
        return self._kept(ANCHOR, "the container cannot be asked")

    def _kept(self, file: str, otherwise: str) -> str | None:
        """The text of a file of the container that runs; None where there is no such file."""
        with _docker.engine(otherwise) as client:
            container = self._current(client)
            if container is None:
                return None
            try:
                return _docker.file_in(container, file).decode()
            except _docker.NotFound:  # of an earlier release
                return None

    def keep_anchor(self, entry: str) -> None:
        """Put a file beside the control secret; see `KeepsAnchor.keep_anchor`."""
        with _docker.engine("the entry of the audit log is not kept") as client:
            container = self._current(client)
            if container is not None and self._spec.controlled:
                _put(container, ANCHOR, entry.encode())

    def _replace(self, client: Any, old: Any, release: Release, progress: Progress) -> None:
        wanted = self._spec.ports((self._spec.host, self._spec.port))
        in_the_way = old is not None and bool(set(wanted.values()) & set(_all_bound(old)))
        if in_the_way:
            self._rehearse(client, release, progress)
        new = self._create(client, release, _NEXT, (self._spec.host, self._spec.port))
        try:
            if in_the_way:
                old.stop(timeout=DRAIN)
            self._start(new, release, progress)
        except BaseException:  # also an interrupt: what answered before is to answer again
            _docker.drop(new)
            if in_the_way:
                self._bring_back(old, progress)
            raise
        if old is not None:
            if not in_the_way:
                old.stop(timeout=DRAIN)
            old.remove(force=True, v=True)
        new.rename(self._spec.name)

    def _rehearse(self, client: Any, release: Release, progress: Progress) -> None:
        """Start it on a port of its own first: what cannot answer there never stops the old one."""
        bound, _ = _docker.published_on()
        probe = self._create(client, release, _PROBE, (bound, None))
        try:
            self._start(probe, release, progress)
        finally:
            _docker.drop(probe)

    def _create(
        self, client: Any, release: Release, suffix: str, address: tuple[str, int | None]
    ) -> Any:
        options = self._spec.options(release, client.info()["NCPU"])
        name = self._spec.name + suffix
        container = client.containers.create(
            release.image.name, name=name, ports=self._spec.ports(address), **options
        )
        try:
            if content := self.keys():
                _put(container, KEYS, content)
            self._put_control(container)
            if self._spec.rolls:
                rollout.prepare(container)
        except BaseException:
            _docker.drop(container)
            raise
        return container

    def _put_control(self, container: Any) -> None:
        if self._spec.controlled:
            _put(container, CONTROL, new_control_secret().encode())

    def _start(self, container: Any, release: Release, progress: Progress) -> None:
        container.start()
        _docker.wait_until_ready(container, _answers(container, release.digest), progress)

    def _bring_back(self, old: Any, progress: Progress) -> None:
        """Start it again; where that fails, it is told, and the reason for it all is not lost."""
        progress.log("the version before comes back")
        # An engine goes on with a stop whose caller has left, and does not start what runs yet.
        # One that still runs after all was never told to end.
        try:
            soon(lambda: _ended(old), DRAIN + _TO_END)
            old.start()
            _docker.wait_until_ready(old, _answers(old, old.labels[DIGEST]), progress)
        except (_docker.EngineError, EnvironmentFault) as e:
            progress.log(f"it does not come back: {str(e)[:_SHOWN]}")

    def _ours(self, client: Any) -> list[Any]:
        labels = [f"{PROJECT}={self._spec.project}", f"{MANAGED}=mlops"]
        found: list[Any] = client.containers.list(
            all=True, filters={"label": labels}, ignore_removed=True
        )
        return found

    def _current(self, client: Any) -> Any:
        """The container that serves, or should; None where there is none.

        A deploy that was killed may have left others: one that runs comes before one that does
        not, and the one of the right name before its successor.
        """
        found = [c for c in self._ours(client) if not c.name.endswith(_PROBE)]
        found.sort(key=lambda c: (c.status != "running", c.name != self._spec.name))
        return found[0] if found else None

    def _sweep(self, client: Any, kept: Any) -> None:
        """Remove what a killed deploy left, so that names and ports are free."""
        for container in self._ours(client):
            if kept is None or container.id != kept.id:
                container.remove(force=True, v=True)
        if kept is not None and kept.name != self._spec.name:
            kept.rename(self._spec.name)

    def _differences(self, client: Any, old: Any, release: Release) -> list[str]:
        """What a new container would have otherwise, a line each."""
        found = []
        if old.labels.get(DIGEST) != release.digest:
            found.append(f"model: {old.labels.get(DIGEST, '')[:12]} -> {release.version}")
        elif (has := old.attrs["Config"]["Image"]) != release.image.name:
            found.append(f"image: {has} -> {release.image.name}")
        elif self._image_id(client, release) not in (None, old.attrs["Image"]):
            found.append(f"image: {release.image.name} was built anew")
        if old.labels.get(SETTINGS) != self._spec.settings():
            found.append(f"settings: {old.labels.get(SETTINGS)} -> {self._spec.settings()}")
        if lacks := self._other_secrets(old):
            found.append(f"secrets: {', '.join(lacks)}")
        if not found and not (old.status == "running" and soon(_answers(old, release.digest))):
            found.append("it does not answer")
        return found

    def _other_secrets(self, old: Any) -> list[str]:
        """The names of secrets whose values are others in the container."""
        has = set(old.attrs["Config"]["Env"] or ())
        wanted = handed_over(self._spec.secrets)
        return [name for name, value in wanted.items() if f"{name}={value}" not in has]

    def _serving(self, release: Release) -> Deployment | None:
        found = self.status()
        return found if found and found.healthy and found.digest == release.digest else None

    def _image_id(self, client: Any, release: Release) -> str | None:
        try:
            return str(client.images.get(release.image.name).id)
        except _docker.NotFound:
            return None

    def _url(self) -> str:
        return url_of(_reached(self._spec.host), self._spec.port)


def open_target(project: Project, *, port: int | None = None) -> DockerTarget:
    """The docker target of a project; `port` wins over the configuration's."""
    deploy = project.config.deploy
    spec = Spec(
        project.config.project,
        deploy.host,
        port or deploy.port,
        deploy.docker,
        trusting(
            project,
            project.config.serve.environment(KEYS, log=LOG, control=CONTROL)
            | {ROLLOUT: rollout.FILE},
        ),
        own_templates(project.root),
        deploy.secrets,
        project.keys,
    )
    return DockerTarget(spec, folder=project.cache / NAME)


def _put(container: Any, file: str, content: bytes) -> None:
    """Have a file, root's and readable for the server, in a folder of the container."""
    _docker.put_file(container, file, content, mode=0o440, group=USER)


def _reached(host: str) -> str:
    """How a port that is bound on `host` of the engine's machine is reached from here."""
    return _docker.published_on()[1] if host in _ANY else host


def _all_bound(container: Any) -> list[tuple[str, int]]:
    """Where all of its ports are asked to be bound."""
    bindings = container.attrs["HostConfig"]["PortBindings"].values()
    return [(b["HostIp"], int(b["HostPort"] or 0)) for bound in bindings for b in bound]


def _bound(container: Any) -> tuple[str, int]:
    """Where the container's port is asked to be bound, whether or not it runs."""
    binding = container.attrs["HostConfig"]["PortBindings"][PORT][0]
    return binding["HostIp"], int(binding["HostPort"] or 0)


def _address(container: Any) -> tuple[str, int]:
    """Where the container is reached; its port is the engine's choice where none was asked."""
    host, port = _bound(container)
    published = container.attrs["NetworkSettings"]["Ports"].get(PORT)
    return _reached(host), int(published[0]["HostPort"]) if published else port


def _ended(container: Any) -> bool:
    container.reload()
    return bool(container.status != "running")


def _answers(container: Any, digest: str) -> Callable[[], bool]:
    def ready() -> bool:
        container.reload()
        return ready_digest(*_address(container)) == digest

    return ready


def _lines(said: Iterable[bytes], opened: ExitStack) -> Iterator[str]:
    rest = b""
    with opened:
        for chunk in said:
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace").rstrip("\r") for line in lines)
    if rest:
        yield rest.decode(errors="replace")
