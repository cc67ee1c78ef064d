"""The command `config`: every value of the configuration, and where it comes from."""

from __future__ import annotations

from mlops_cli.config.project import Project
from mlops_cli.config.values import ConfigResult, resolved


def configuration(project: Project) -> ConfigResult:
    """Every value of the configuration, defaults included; secrets are taken out."""
    return resolved(project)
