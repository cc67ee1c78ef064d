"""The command `logs`: what the deployed service wrote, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlops_cli.config.load import Project
from mlops_cli.deploy import open_target


@dataclass(frozen=True, slots=True)
class LogsResult:
    """The last lines of the service on `target`, oldest first, as they come."""

    target: str
    lines: Iterable[str]


def logs(project: Project, *, target: str | None = None, follow: bool = False) -> LogsResult:
    """The last lines of what is deployed on `target`, and with `follow` those that come.

    Raises `EnvironmentFault` where nothing of this project runs there.
    """
    name = target or project.config.deploy.target
    return LogsResult(name, open_target(name, project).logs(follow=follow))
