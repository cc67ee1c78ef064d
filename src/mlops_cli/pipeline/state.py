"""Which stages are up to date."""

from __future__ import annotations

from mlops_cli.config.paths import CONFIG, DVC_YAML
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.pipeline.dvc import stale_stages
from mlops_cli.stages import STAGES, Stage
from mlops_cli.stages.settings import typed


def stage_states(project: Project) -> dict[str, str]:
    """Each stage's state: `up to date`, `not run yet`, what changed, or why it is not known.

    DVC needs a lock even to look: where another command holds it, or the project may not be
    written, the rest of the project can be told all the same.
    """
    if not (project.root / DVC_YAML).is_file():
        return {stage.name: "not run yet" for stage in STAGES}
    try:
        stale = stale_stages(project.root)
    except (EnvironmentFault, UsageError) as e:
        return {stage.name: f"not known: {e.message.partition(':')[0]}" for stage in STAGES}
    except OSError as e:
        why = f"{(e.strerror or str(e)).lower()}: {e.filename}"
        return {stage.name: f"not known: {why}" for stage in STAGES}
    for stage in STAGES:  # DVC sees it once `settings` has run
        if stage.name not in stale and settings_changed(project, stage):
            stale[stage.name] = f"changed settings: {CONFIG}"
    return {stage.name: stale.get(stage.name, "up to date") for stage in STAGES}


def settings_changed(project: Project, stage: Stage) -> bool:
    """Whether what the stage last saw of `mlops.yaml` differs from it, be it by a type alone."""
    written = project.root / stage.settings
    now = typed(project.config, stage.params, stage.keys)
    return written.is_file() and not written.read_text(encoding="utf-8").startswith(now)
