"""The command `export`: files for other systems, made from the project's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, assert_never

from mlops_cli.actions import COMMANDS
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.exports.base import Exported, write_files
from mlops_cli.exports.grafana import grafana_files
from mlops_cli.exports.logs import logs_files
from mlops_cli.exports.prometheus import prometheus_files
from mlops_cli.exports.schedule import Asked, Clock, schedule_files

System = Literal["prometheus", "grafana", "logs", "schedule"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What one export asks beside the folder.

    `target` is where the service answers (default: the configuration's), `clock` and `image` are
    those of a schedule, `force` takes the place of what a person changed.
    """

    target: str | None = None
    clock: Clock | None = None
    image: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class ExportResult:
    """For which system, and which files of `folder` were written, or stood there just so."""

    system: System
    folder: str
    written: tuple[str, ...]
    unchanged: tuple[str, ...]


def export(
    project: Project, system: System, folder: Path | str, *, options: ExportOptions | None = None
) -> ExportResult:
    """Write the files of a system to a folder, all or none.

    Nothing is asked of the system. Raises `UsageError` for a schedule without its clock, and for a
    file that is there and was written or changed by somebody else.
    """
    options = options or ExportOptions()
    files = _files(project, system, options)
    found: Exported = write_files(Path(folder), files, force=options.force)
    return ExportResult(system, found.folder, found.written, found.unchanged)


def _files(project: Project, system: System, options: ExportOptions) -> Mapping[str, str]:
    target = options.target or project.config.deploy.target
    match system:
        case "prometheus":
            return prometheus_files(project, target)
        case "grafana":
            return grafana_files(project)
        case "logs":
            return logs_files(project, target)
        case "schedule":
            if options.clock is None:
                said = "a schedule is for a clock: cron, systemd, cronjob or github"
                raise UsageError(said, hint="--as cron")
            names = [command.name for command in COMMANDS]
            asked = Asked(options.clock, names, version("mlops-cli"), options.image)
            return schedule_files(project, asked)
        case _:
            assert_never(system)
