"""The stage `settings`: what each stage depends on of `mlops.yaml`, as text that keeps types.

DVC compares parameters as Python does, to which 1, 1.0 and true are one value, and a model may
differ by them. What it compares by their bytes are files: each stage depends on one of these.
DVC runs this stage where a value has changed; where a type alone has, `mlops run` writes the files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_cli._files import replacing_folder, sha256_of, write_text
from mlops_cli.config.model import Config
from mlops_cli.config.paths import SETTINGS
from mlops_cli.config.project import Project
from mlops_cli.progress import QUIET, Progress
from mlops_cli.stages import STAGES


@dataclass(frozen=True, slots=True)
class SettingsResult:
    """The files, relative to the project."""

    files: tuple[str, ...]


def settings(
    project: Project, *, unlisted: Sequence[str] = (), progress: Progress = QUIET
) -> SettingsResult:
    """Write a file for each stage.

    `unlisted` are files that stages read and that DVC does not watch, as in an experiment with
    another table: their content is part of every stage's settings then.
    """
    progress.update(f"writing {SETTINGS}/")
    extra = {path: sha256_of(project.root / path) for path in unlisted}
    with replacing_folder(project.root / SETTINGS) as folder:
        for stage in STAGES:
            text = typed(project.config, stage.params, stage.keys) + (
                f"{json.dumps(extra)}\n" if extra else ""
            )
            write_text(folder / Path(stage.settings).name, text)
    return SettingsResult(tuple(stage.settings for stage in STAGES))


def typed(config: Config, sections: Sequence[str], keys: Sequence[str] = ()) -> str:
    """What the configuration says in these sections, without defaults, and of single `keys`.

    The order of keys counts where a user chose them, as that of `features.row`. A key such as
    `split.key` is only there where it is set.
    """
    said = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    found = {key: said.get(key, {}) for key in sections}
    for key in keys:
        section, _, name = key.partition(".")
        if name in said.get(section, {}):
            found[key] = said[section][name]
    return json.dumps(found, indent=1) + "\n"
