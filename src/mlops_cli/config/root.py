"""Where a project is: found without reading it."""

from __future__ import annotations

import os
from pathlib import Path

from mlops_cli.config.paths import CONFIG
from mlops_cli.errors import UsageError

ENV_VARIABLE = "MLOPS_ENV"


def find_project(start: Path | str | None = None) -> Path:
    """The folder that holds `mlops.yaml`: `start` itself, MLOPS_PROJECT, or a parent of here.

    Raises `UsageError` where there is none.
    """
    if named := start or os.environ.get("MLOPS_PROJECT"):
        chosen = Path(named)
        if (chosen / CONFIG).is_file():
            return chosen.resolve()
        raise UsageError(f"{chosen} has no {CONFIG}", hint="make a project with `mlops init`")
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / CONFIG).is_file():
            return folder
    raise UsageError(
        f"no {CONFIG} in {here} or above it",
        hint="go to a project's folder, or make one: mlops init NAME --data FILE --target COLUMN",
    )
