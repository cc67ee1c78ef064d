"""The stage `settings`: what each stage depends on of `mlops.yaml`, as text that keeps types.

DVC compares parameters as Python does, to which 1, 1.0 and true are one value, and a model may
differ by them. What it compares by their bytes are files: each stage depends on one of these.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_cli._files import write_text
from mlops_cli.config.model import Config
from mlops_cli.config.project import Project
from mlops_cli.progress import QUIET, Progress
from mlops_cli.stages import STAGES


@dataclass(frozen=True, slots=True)
class SettingsResult:
    """The files, relative to the project."""

    files: tuple[str, ...]


def settings(project: Project, *, progress: Progress = QUIET) -> SettingsResult:
    """Write a file for each stage."""
    for stage in STAGES:
        write_text(project.root / stage.settings, typed(project.config, stage.params))
    return SettingsResult(tuple(stage.settings for stage in STAGES))


def typed(config: Config, sections: Sequence[str]) -> str:
    """What the configuration says in these sections, without defaults.

    The order of keys counts where a user chose them, as that of `features.row`.
    """
    said = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return json.dumps({key: said.get(key, {}) for key in sections}, indent=1) + "\n"
