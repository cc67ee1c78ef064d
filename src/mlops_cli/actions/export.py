"""The command `export`: files for other systems, made from the project's configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal, assert_never

from mlops_cli._files import sha256_of
from mlops_cli.actions import COMMANDS
from mlops_cli.actions.bring import release_of
from mlops_cli.actions.deploy import chosen
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.live import live
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.exports.argo_rollouts import argo_rollouts_files
from mlops_cli.exports.argocd import argocd_files
from mlops_cli.exports.base import Exported, Rendered, write_files
from mlops_cli.exports.feast import feast_files, write_feast_tables
from mlops_cli.exports.grafana import grafana_files
from mlops_cli.exports.helm import helm_files
from mlops_cli.exports.istio import istio_files
from mlops_cli.exports.keda import keda_files
from mlops_cli.exports.kserve import kserve_files
from mlops_cli.exports.logs import logs_files
from mlops_cli.exports.prometheus import prometheus_files
from mlops_cli.exports.schedule import Asked, Clock, schedule_files
from mlops_cli.exports.workers import workers_files
from mlops_cli.governance.residency import refuse_elsewhere
from mlops_cli.tables import open_engine
from mlops_cli.targets.kubernetes.target import NAME as KUBERNETES
from mlops_cli.targets.kubernetes.target import spec_of
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import Tracker

OfVersion = Literal["helm", "argo-rollouts", "istio", "keda", "argocd", "kserve"]
System = Literal["prometheus", "grafana", "logs", "schedule", "workers", "feast"] | OfVersion


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What one export asks beside the folder.

    `target` is where the service answers (default: the configuration's), `clock` is that of a
    schedule, `image` what its pods or workers run, `version` is the one that a cluster's files are
    of (default: the champion), `force` takes the place of what a person changed.
    """

    target: str | None = None
    clock: Clock | None = None
    image: str | None = None
    force: bool = False
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ExportResult:
    """For which system, and which files of `folder` were written, or stood there just so.

    `remarks` are what of the configuration the system cannot do, and what it needs beside.
    """

    system: System
    folder: str
    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def export(
    project: Project, system: System, folder: Path | str, *, options: ExportOptions | None = None
) -> ExportResult:
    """Write the files of a system to a folder, all or none; what was written is recorded.

    Nothing is asked of the system. Raises `UsageError` for a schedule without its clock, for what
    the system cannot do of the configuration, and for a file that is there and was written or
    changed by somebody else; of a version what `deploy` raises of it.
    """
    options, folder = options or ExportOptions(), Path(folder)
    made, subject = _made(project, system, folder, options)
    found: Exported = write_files(folder, made.files, force=options.force)
    if system == "feast":
        found = _with_tables(project, folder, found)
    if found.written:
        told = {"system": system, "folder": _shown(project, folder), **subject}
        draft = Draft("export", "done", told, evidence=found.digests)
        record(project, draft, copies=open_tracker(project))
    return ExportResult(system, found.folder, found.written, found.unchanged, made.remarks)


def _with_tables(project: Project, folder: Path, found: Exported) -> Exported:
    """With the files of values, which nobody changes by hand: they are written anew."""
    with open_engine(temporary=project.temporary) as engine:
        tables = write_feast_tables(engine, project, folder)
    digests = {**found.digests, **{name: sha256_of(folder / name) for name in tables}}
    return replace(found, written=(*found.written, *tables), digests=digests)


def _shown(project: Project, folder: Path) -> str:
    """Where it is from the project's folder, in which the log stands, if it is below it."""
    there, root = folder.resolve(), project.root.resolve()
    return there.relative_to(root).as_posix() if there.is_relative_to(root) else str(folder)


def _made(
    project: Project, system: System, folder: Path, options: ExportOptions
) -> tuple[Rendered, dict[str, str]]:
    """The files of a system, and what the log is told of them beside."""
    target = options.target or project.config.deploy.target
    match system:
        case "prometheus":
            return Rendered(prometheus_files(project, target)), {}
        case "grafana":
            return Rendered(grafana_files(project)), {}
        case "logs":
            return Rendered(logs_files(project, target)), {}
        case "schedule":
            if options.clock is None:
                said = "a schedule is for a clock: cron, systemd, cronjob or github"
                raise UsageError(said, hint="--as cron")
            names = [command.name for command in COMMANDS]
            asked = Asked(options.clock, names, version("mlops-cli"), options.image)
            return Rendered(schedule_files(project, asked)), {}
        case "workers":
            return workers_files(project, options.image), {}
        case "feast":
            return feast_files(project), {}
        case _:
            return _of_version(project, system, folder, options)


def _of_version(
    project: Project, system: OfVersion, folder: Path, options: ExportOptions
) -> tuple[Rendered, dict[str, str]]:
    refuse_elsewhere(project, KUBERNETES)
    tracker = open_tracker(project)
    named = chosen(project, tracker, options.version)
    spec = spec_of(project, release_of(project, tracker, named.digest))
    told = {"digest": named.digest}
    match system:
        case "helm":
            return helm_files(spec, number=named.number), told
        case "argo-rollouts":
            return argo_rollouts_files(spec, project.config.deploy.rollout), told
        case "istio":
            before = _live(project, tracker)
            return istio_files(spec, project.config.deploy.rollout, before=before), told
        case "keda":
            return keda_files(project, spec), told
        case "argocd":
            return argocd_files(project, spec, folder, number=named.number), told
        case "kserve":
            return kserve_files(spec), told
        case _:
            assert_never(system)


def _live(project: Project, tracker: Tracker) -> str | None:
    """The version that answers on the cluster, as the log tells it."""
    found = live(every_entry(project.root, tracker))
    return next((part.version for part in found if part.target == KUBERNETES), None)
