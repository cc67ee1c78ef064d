"""This machine as a target: a supervised process in the background, one for each project."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from mlops_cli._files import write_secret, write_text
from mlops_cli._templates import own_templates
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import Progress
from mlops_cli.serving import segments
from mlops_cli.serving.auth import new_control_secret
from mlops_cli.serving.contract import (
    CONTROL_FILE,
    DRAIN,
    LOG_DIR,
    ROLLOUT,
    SETTINGS,
    TLS_CERT,
    TLS_KEY,
    UPLOADED,
)
from mlops_cli.serving.settings import TlsPair
from mlops_cli.serving.tls import load_pair
from mlops_cli.targets.base import (
    Change,
    Deployment,
    Release,
    Routes,
    only,
    whole,
)
from mlops_cli.targets.local.control import Control, State, Wanted
from mlops_cli.targets.local.log import LOG
from mlops_cli.targets.local.rollout import FILE as ROLLOUT_FILE
from mlops_cli.targets.local.rollout import RolloutFile
from mlops_cli.targets.local.systemd import write_unit
from mlops_cli.targets.local.worker import START_LIMIT, keep_secrets
from mlops_cli.targets.readiness import ready_digest, soon, url_of
from mlops_cli.targets.secrets import handed_over, trusting
from mlops_cli.targets.shipped import Take
from mlops_cli.targets.tail import tail

NAME = "local"
CONTROL_IN = "control.secret"  # a file in the control's folder
ANCHOR = "audit.anchor"  # another one: the entry of the audit log that tells of what runs
LOG_FOLDER = "log"  # of the prediction log, in the control's folder
_OURS = (CONTROL_FILE, ROLLOUT)  # settings that `deploy` alone can give
_STEP = 0.05  # seconds between two looks
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LANGUAGE", "VIRTUAL_ENV",
         "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # fmt: skip


class LocalTarget(RolloutFile):
    """The target `local`; its control and log are in `.mlops/local/`."""

    def __init__(
        self,
        folder: Path,
        *,
        host: str,
        port: int,
        settings: Mapping[str, str] | None = None,
        keys: Path | None = None,
        models: Path | None = None,
        own: Path | None = None,
        log: Path | None = None,
        tls: tuple[Path, Path] | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, self._reached)
        self._log = log
        self._tls = tls
        self._secrets = secrets
        self._own = own
        self._control = Control(folder)
        self._host = host
        self._port = port
        self._settings = dict(settings or {})
        self._keys = keys
        self._models = models

    def deploy(self, routes: Routes, *, progress: Progress) -> Deployment:
        """Start or change the supervisor, losing no request; see `Target.deploy`."""
        release = only(routes)
        secrets = handed_over(self._secrets)
        if self._tls:
            load_pair(*self._tls)
        with self._control.command():
            keep_secrets(self._control.folder, secrets)
            write_secret(self._control.folder / CONTROL_IN, new_control_secret().encode())
            wanted = self._request(release.bundle)
            self._control.ask(wanted)
            try:
                state = self._outcome(wanted, progress)
            except BaseException:  # also an interrupt: what was begun is not left to finish alone
                self._control.withdraw()
                self._control.signal(signal.SIGHUP)
                raise
            if state.reason is not None:
                if state.serving is None:
                    self._gone_within(5)  # with nothing to serve it ends; leave nothing behind
                raise EnvironmentFault(
                    f"{release.version} is not deployed: {state.reason}",
                    hint=state.hint or f"see {self._control.folder / LOG}",
                )
            return self._confirmed(wanted)

    def plan(self, routes: Routes) -> list[Change]:
        """Whether another process would serve, and where; see `Target.plan`."""
        release = only(routes)
        name, found = f"{release.bundle.manifest.project} {release.version}", self.status()
        url = url_of(self._host, self._port, tls=self._tls is not None)
        if found is None:
            return [Change("create", "process", name, f"answers at {url}")]
        answers, same = found.healthy, self._settings == self._current_settings()
        if (found.digest, found.url) == (release.digest, url) and answers and same:
            return []
        state = "" if answers else ", which does not answer"
        state += "" if same else ", with other settings"
        detail = f"at {url}, in place of {found.digest[:12]} at {found.url}{state}"
        return [Change("update", "process", name, detail)]

    def render(self, routes: Routes, folder: Path) -> list[Path]:
        """A systemd unit; see `Target.render`."""
        release = only(routes)
        address = self._host, self._port
        own = self._own
        settings = {k: v for k, v in self._settings.items() if k not in _OURS}
        if self._keys:
            own_paths = {"KEYS": self._keys, "MODELS": self._models}
            settings = settings | {f"{SETTINGS}{k}": str(v) for k, v in own_paths.items() if v}
        if self._tls:
            settings = settings | dict(zip((TLS_CERT, TLS_KEY), map(str, self._tls), strict=True))
        if self._log is not None and LOG_DIR in settings:
            settings = settings | {LOG_DIR: str(self._log.resolve())}  # a unit has no folder
        return [write_unit(release.bundle, folder, address=address, settings=settings, own=own)]

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """The log of supervisor and servers; see `Target.logs`."""
        file = self._control.folder / LOG
        if not self._control.alive() or not file.exists():
            kept = f"; what ran last wrote {_in_project(file)}" if file.exists() else ""
            raise EnvironmentFault("not deployed on local", hint=f"mlops deploy{kept}")
        return tail(file, follow=self._control.alive if follow else lambda: False)

    def status(self) -> Deployment | None:
        """What the process that listens says; see `Target.status`."""
        state = self._control.hear() if self._control.alive() else None
        if state is None or state.serving is None or state.since is None:
            return None
        serving = state.serving
        digest = ready_digest(serving.host, serving.port, tls=serving.tls)
        return Deployment(
            target=NAME,
            digest=digest or serving.digest,
            url=url_of(serving.host, serving.port, tls=serving.tls),
            healthy=digest is not None,
            since=datetime.fromisoformat(state.since),
            port=serving.port,
        )

    def collect(self, take: Take, *, closing: bool = False) -> None:
        """What stands in the log's folder, whether or not anything runs; see `Target.collect`."""
        if self._log is None:
            return
        if closing:
            segments.close_all(self._log)
        segments.close_left(self._log)
        if found := segments.closed(self._log):
            take(found)
            for path in found if UPLOADED not in self._settings else ():
                path.unlink(missing_ok=True)  # the oldest may have gone for newer ones

    def stop(self) -> bool:
        """End supervisor and server, which finishes what it has; see `Target.stop`."""
        with self._control.command():
            self.forget_rollout()
            if not self._control.alive():
                return False
            self._control.signal(signal.SIGTERM)
            if not self._gone_within(DRAIN + 5):
                self._control.signal(signal.SIGKILL)  # its servers go with it
                self._gone_within(5)
            if self._control.alive():
                raise EnvironmentFault(
                    "the supervisor of the local deployment does not end",
                    hint=f"see {self._control.folder / LOG}",
                )
            return True

    def bring_beside(self, champion: Release, candidate: Release, *, progress: Progress) -> str:
        """The bundle's path; the service reads it where it stands. See `KeepsRollout`."""
        if self._current_settings().get(ROLLOUT) is None:
            self.deploy(whole(champion), progress=progress)  # it is of an earlier release
        return self.path_of(candidate)

    def alone(self, digest: str) -> bool:
        """See `KeepsRollout.alone`."""
        state = self._control.hear() if self._control.alive() else None
        return state is not None and state.serving is not None and state.serving.digest == digest

    def _reached(self) -> tuple[str, str] | None:
        secret, found = self.control_secret(), self.status()
        return (found.url, secret) if found is not None and secret is not None else None

    def keys(self) -> bytes | None:
        """The file of the project; see `KeepsKeys.keys`."""
        with suppress(FileNotFoundError):
            return self._keys.read_bytes() if self._keys else None
        return None

    def keep_keys(self, content: bytes) -> None:
        """Write the file, for its owner alone; see `KeepsKeys.keep_keys`."""
        if self._keys:
            write_secret(self._keys, content)

    def control_secret(self) -> str | None:
        """What the file holds while a supervisor lives; see `Controlled.control_secret`."""
        return self._kept(CONTROL_IN)

    def anchor(self) -> str | None:
        """What a file holds while a supervisor lives; see `KeepsAnchor.anchor`."""
        return self._kept(ANCHOR)

    def _kept(self, file: str) -> str | None:
        with suppress(FileNotFoundError):
            if self._control.alive():
                return (self._control.folder / file).read_text("utf-8")
        return None

    def keep_anchor(self, entry: str) -> None:
        """Write the file; see `KeepsAnchor.keep_anchor`."""
        if self._control.alive():
            write_text(self._control.folder / ANCHOR, entry)

    def _request(self, bundle: Bundle) -> Wanted:
        return Wanted(
            request=uuid.uuid4().hex,
            bundle=os.path.relpath(bundle.path, self._control.folder),
            digest=bundle.digest,
            host=self._host,
            port=self._port,
            settings=self._settings,
        )

    def _current_settings(self) -> dict[str, str]:
        state = self._control.hear()
        return state.serving.settings if state is not None and state.serving is not None else {}

    def _outcome(self, wanted: Wanted, progress: Progress) -> State:
        started = time.monotonic()

        def look() -> State | None:
            state = self._control.hear()
            if state is not None and state.request == wanted.request:
                return state
            if not self._control.alive():
                self._wake()
            progress.update(f"starting {wanted.digest[:12]}", done=time.monotonic() - started)
            return None

        self._wake()
        if state := soon(look, START_LIMIT + 10):
            return state
        raise EnvironmentFault(
            "the supervisor of the local deployment does not answer",
            hint=f"mlops deploy --stop, then again; see {self._control.folder / LOG}",
        )

    def _wake(self) -> None:
        """Have a supervisor take the request: the one that lives, or a new one."""
        if self._control.alive():
            self._control.signal(signal.SIGHUP)
            return
        if not self._control.waits():
            raise EnvironmentFault(
                "the supervisor of the local deployment died",
                hint=f"see {self._control.folder / LOG}",
            )
        _spawn(self._control.folder)

    def _confirmed(self, wanted: Wanted) -> Deployment:
        """Healthy before it counts: the new version itself has answered."""
        if found := soon(lambda: self._serving(wanted), DRAIN):
            return found
        raise EnvironmentFault(
            f"{wanted.digest[:12]} was started and does not answer at "
            f"{url_of(wanted.host, wanted.port, tls=wanted.tls)}/readyz",
            hint=f"see {self._control.folder / LOG}",
        )

    def _serving(self, wanted: Wanted) -> Deployment | None:
        found = self.status()
        return found if found and found.healthy and found.digest == wanted.digest else None

    def _gone_within(self, seconds: float) -> bool:
        return soon(lambda: not self._control.alive(), seconds)


def open_target(project: Project, *, port: int | None = None) -> LocalTarget:
    """The local target of a project; `port` wins over the configuration's."""
    deploy = project.config.deploy
    folder = project.cache / NAME
    keys, log, tls = project.keys, _log_folder(project, folder), project.tls
    settings = project.config.serve.environment(
        keys and os.path.relpath(keys, folder),
        os.path.relpath(project.models, folder),
        log=os.path.relpath(log, folder),
        control=CONTROL_IN,
        tls=TlsPair(*(os.path.relpath(file, folder) for file in tls)) if tls else None,
    )
    return LocalTarget(
        folder,
        host=deploy.host,
        port=port or deploy.port,
        settings=trusting(project, settings | {ROLLOUT: ROLLOUT_FILE}),
        keys=keys,
        models=project.models,
        own=own_templates(project.root),
        log=log,
        tls=tls,
        secrets=deploy.secrets,
    )


def _log_folder(project: Project, folder: Path) -> Path:
    """Where the prediction log stands: a project may be renamed, so relative to the control's."""
    log = project.config.serve.log
    return project.root / log.dir if log is not None and log.dir else folder / LOG_FOLDER


def _in_project(file: Path) -> Path:
    """A file of `.mlops/local/` as seen from the project's folder."""
    return file.relative_to(file.parents[2])


def _spawn(folder: Path) -> None:
    with (folder / LOG).open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "mlops_cli.targets.local.supervisor"],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=False,  # whether it lives is what its lock says
        )


def _environment() -> dict[str, str]:
    """The least that a server needs: no secret of the user's environment gets there."""
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or k.startswith("LC_")}
    if paths := os.environ.get("PYTHONPATH"):
        absolute = (str(Path(p).resolve()) for p in paths.split(os.pathsep) if p)
        kept["PYTHONPATH"] = os.pathsep.join(absolute)
    return kept | {
        "TZ": "UTC",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
    }
