"""Serve a bundle behind HTTP on this machine, in the foreground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.paths import MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.governance.champion import find_champion
from mlops_cli.packaging.signing import bring_signature
from mlops_cli.progress import QUIET, Progress
from mlops_cli.serving import server
from mlops_cli.serving.contract import PORT
from mlops_cli.serving.settings import Settings, TlsPair
from mlops_cli.tracking import open_tracker

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ServeResult:
    """What is served: the bundle's folder, version and digest, and the URL (no slash at its end)
    with its port."""

    bundle: str
    version: str
    digest: str
    url: str
    port: int


def serve(
    project: Project | None,
    *,
    bundle: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    on_ready: Callable[[ServeResult], None] = lambda _: None,
    progress: Progress = QUIET,
) -> ServeResult:
    """Answer on `host` and `port` until SIGTERM or SIGINT, then finish what was asked; `on_ready`
    is called when it accepts.

    Without `bundle` it is the project's champion, or where there is none yet, the workspace's
    `model/`; without `host` and `port` those that the configuration deploys to. Raises
    `UsageError` where there is nothing to serve, and what `serving.server.serve` raises.
    """
    folder = bundle if bundle is not None else _bundle_of(project)
    address = _address(project, host, port)
    told: list[ServeResult] = []

    def tell(ready: server.Ready) -> None:
        version, bound = short(ready.digest), urlsplit(ready.url).port or 0
        told.append(ServeResult(str(folder), version, ready.digest, ready.url, bound))
        what = f"{ready.model} {version} answers on {ready.url}"
        progress.log(f"{what}; try it in a browser (Ctrl-C ends it)")
        on_ready(told[0])

    if project is not None and project.trust and bundle is None:
        bring_signature(project.root, open_bundle(folder))
    progress.update(f"loading {folder}")
    settings = _settings(project) if project is not None else Settings()
    server.serve(folder, server.Address(*address), server.Heard(tell), settings=settings)
    return told[0]


def _bundle_of(project: Project | None) -> Path:
    if project is None:
        raise UsageError(
            "there is no project here, and no bundle is named", hint="mlops serve --bundle DIR"
        )
    tracker = open_tracker(project)
    if champion := find_champion(project, tracker):
        return tracker.fetch(champion.digest)
    workspace = project.root / MODEL
    if not workspace.is_dir():
        raise UsageError(
            f"{project.config.project} has no champion, and no model/ in {project.root}",
            hint="make them with `mlops run`, or name a bundle with --bundle DIR",
        )
    return workspace


def _settings(project: Project) -> Settings:
    serve = project.config.serve
    folder = str(project.root / serve.log.dir) if serve.log is not None and serve.log.dir else None
    tls = TlsPair(*map(str, project.tls)) if project.tls else None
    found = serve.settings(project.keys, project.models, log=folder, tls=tls)
    trust = str(project.trust) if project.trust else None
    return msgspec.structs.replace(found, trust=trust, online=project.online)


def _address(project: Project | None, host: str | None, port: int | None) -> tuple[str, int]:
    deploy = project.config.deploy if project is not None else None
    return (
        host or (deploy.host if deploy else HOST),
        port if port is not None else (deploy.port if deploy else PORT),
    )
