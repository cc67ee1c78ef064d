"""Nothing changed since DVC last said so: seen by the files' times, as DVC itself sees it.

DVC needs most of a second to say that there is nothing to do. When it has said so, the size,
time and inode of every file that it looked at are kept; as long as they are the same, so is the
answer. These are what DVC goes by, too, before it reads a file again.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import mlops_cli.stages
from mlops_cli._files import nearest, stamp_of
from mlops_cli.config.paths import CACHE, CONFIG, DATABASE, DVC_LOCK, DVC_YAML
from mlops_cli.governance.result import EXPERIMENT, Registration
from mlops_cli.pipeline.result import RunResult, StageRun, registers
from mlops_cli.pipeline.worth import worth_of
from mlops_cli.stages import stages_of

RECORD = f"{CACHE}/unchanged.json"
_ABOVE = {".dvc": ("config", "config.local", "../.dvcignore"), ".git": ("HEAD",)}  # or here
_RELEASE = mlops_cli.stages.__file__  # another release of ours may compute something else

Sight = dict[str, list[int] | None]


def unchanged_run(root: Path, targets: Sequence[str]) -> RunResult | None:
    """The result of a run that has nothing to do; None where DVC has to look."""
    names = [stage.name for stage in mlops_cli.stages.STAGES]
    if not set(targets) <= set(names) or (known := _as_recorded(root)) is None:
        return None
    stages = [StageRun(name, "unchanged") for name in stages_of(targets)]
    registration = known if registers(targets) else None
    return RunResult(stages, registration=registration, worth=worth_of(root, targets))


def look(root: Path, paths: Iterable[str]) -> Sight:
    """How the files at `paths` (of folders: what is in them) and DVC's own look now."""
    sight: Sight = {}
    above = [
        os.path.relpath(folder / file, root)
        for name, files in _ABOVE.items()
        if (folder := nearest(root, name))
        for file in files
    ]
    for path in (CONFIG, DVC_YAML, DVC_LOCK, ".dvcignore", *above, DATABASE, *paths):
        sight |= {os.path.relpath(f, root): _stamp(f) for f in _entries(root / path)}
    return sight


def record_of(sight: Sight, registration: Registration) -> str:
    """What to keep as `RECORD` of a sight that was taken before DVC said: nothing is to be done."""
    known = {"release": _stamp(Path(_RELEASE)), "files": sight, "surroundings": _surroundings()}
    return json.dumps(known | {"registration": dataclasses.asdict(registration)})


def _as_recorded(root: Path) -> Registration | None:
    """What the registry holds of the model, where everything is as it was recorded."""
    try:
        known = json.loads((root / RECORD).read_bytes())
        head = (known["release"], known["surroundings"])
        same = head == (_stamp(Path(_RELEASE)), _surroundings()) and all(
            _stamp(root / path) == seen for path, seen in known["files"].items()
        )
        return Registration(**known["registration"]) if same else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _surroundings() -> list[str | None]:
    """What decides, beside the files, whether and where a model is registered."""
    return [os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", *EXPERIMENT)]


def _entries(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        for folder, names, files in os.walk(path):
            yield from (Path(folder, name) for name in (*names, *files))


def _stamp(path: Path) -> list[int] | None:
    """As JSON has it."""
    stamp = stamp_of(path)
    return list(stamp) if stamp else None
