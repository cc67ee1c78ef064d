"""The command `logs`: what the deployed service wrote, wherever it runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from mlops_cli.config.project import Project
from mlops_cli.targets import open_target

_KEPT = 1000  # lines


@dataclass(frozen=True, slots=True)
class LogsResult:
    """The last lines of the service on `target`, oldest first, without line ends."""

    target: str
    lines: tuple[str, ...]


def logs(
    project: Project,
    *,
    target: str | None = None,
    follow: bool = False,
    on_line: Callable[[str], None] = lambda _: None,
) -> LogsResult:
    """The last lines of what is deployed on `target`; `on_line` gets each as it comes.

    With `follow` it goes on until the service ends. Raises `EnvironmentFault` where nothing of
    this project runs there.
    """
    name = target or project.config.deploy.target
    last: deque[str] = deque(maxlen=_KEPT)
    for line in open_target(name, project).logs(follow=follow):
        on_line(line)
        last.append(line)
    return LogsResult(name, tuple(last))
