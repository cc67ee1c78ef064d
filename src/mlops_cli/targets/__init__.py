"""Where the champion answers: one port, a module for each target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_cli._adapters import load_named

if TYPE_CHECKING:  # the supervisor passes through here, and wants no configuration in memory
    from mlops_cli.config.project import Project
    from mlops_cli.targets.base import Target

TARGETS = {
    "local": "mlops_cli.targets.local.target",
    "docker": "mlops_cli.targets.docker.target",
    "kubernetes": "mlops_cli.targets.kubernetes.target",
}


def open_target(name: str, project: Project, *, port: int | None = None) -> Target:
    """The target of that name for this project; `port` wins over the configuration's.

    Nothing is started or asked yet. Raises `UsageError` for a name that is not known.
    """
    target: Target = load_named("target", name, TARGETS).open_target(project, port=port)
    return target
