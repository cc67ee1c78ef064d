"""Which stages are up to date."""

from __future__ import annotations

from mlops_cli._adapters import load_adapter
from mlops_cli.config.load import Project
from mlops_cli.pipeline.dvc_yaml import DVC_YAML
from mlops_cli.stages import STAGES


def stage_states(project: Project) -> dict[str, str]:
    """Each stage's state: `up to date`, `not run yet`, or what changed."""
    if not (project.root / DVC_YAML).is_file():
        return {stage.name: "not run yet" for stage in STAGES}
    stale: dict[str, str] = load_adapter("mlops_cli.pipeline.dvc").stale_stages(project.root)
    return {stage.name: stale.get(stage.name, "up to date") for stage in STAGES}
