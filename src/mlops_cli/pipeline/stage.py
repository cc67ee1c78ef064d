"""The hidden door: `mlops stage NAME --revision N`, which DVC calls, does just the work."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path, PurePath
from typing import Any, cast

import msgspec

from mlops_cli._adapters import load_adapter
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import CONFIG, SETTINGS
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import UsageError
from mlops_cli.governance.result import by_experiment
from mlops_cli.pipeline.dvc_yaml import check_dvc_yaml, write_dvc_yaml
from mlops_cli.pipeline.outcome import Outcome, write_outcome
from mlops_cli.progress import Progress
from mlops_cli.stages import JUDGING, PIPELINE, STAGES, UNDER_RUN, load_stage, stage
from mlops_cli.stages.settings import typed


def run_stage(project: Project, name: str, revision: int, *, progress: Progress) -> Outcome:
    """Run one stage and leave its outcome in `.mlops/`; of one that fails it is the caller's.

    Raises the stage's error, and `UsageError` for an unknown stage, for a `dvc.yaml` that is not
    up to date, and for a configuration or contract that was edited while the stage worked.
    """
    started = time.monotonic()
    work = _function(project, name, revision)
    contracts = _contracts(project, name)
    with _told(project, name, progress):
        result = work(project, progress=progress)
        _check_unedited(project, name, contracts)
    outcome = Outcome(time.monotonic() - started, result=as_builtins(result))
    write_outcome(project, name, outcome)
    return outcome


def _told(project: Project, name: str, progress: Progress) -> AbstractContextManager[None]:
    """Tell others of the stage by OpenLineage, where the project asks for it."""
    if project.config.tracking.lineage is None or name == SETTINGS:
        return nullcontext()
    told = load_adapter("mlops_cli.pipeline.lineage").lineage(project, stage(name), progress)
    return cast("AbstractContextManager[None]", told)


def as_builtins(result: object) -> Any:
    """A result as JSON would hold it: dataclasses as objects, paths as text."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return {f.name: as_builtins(getattr(result, f.name)) for f in dataclasses.fields(result)}
    if isinstance(result, list | tuple):
        return [as_builtins(item) for item in result]
    if isinstance(result, Mapping):
        return {str(key): as_builtins(value) for key, value in result.items()}
    return msgspec.to_builtins(result, enc_hook=_as_text)


def _as_text(value: object) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is not of JSON")


def _function(project: Project, name: str, revision: int) -> Callable[..., object]:
    known = [s.name for s in PIPELINE]
    if name not in known:
        raise UsageError(f"no stage {name!r}", hint=f"the stages are {', '.join(known)}")
    entry = stage(name)
    work = load_stage(name)
    experiment = by_experiment()
    if experiment and name in JUDGING and UNDER_RUN not in os.environ:
        work = partial(work, experiment=True)
    if experiment and name == SETTINGS:
        work = partial(work, unlisted=_brought_up_to_date(project))
    else:
        check_dvc_yaml(project)
    if revision != entry.revision:
        raise UsageError(
            f"dvc.yaml asks for revision {revision} of {name!r}, this release has {entry.revision}",
            hint="run `mlops run`, which brings dvc.yaml up to date",
        )
    return work


def _brought_up_to_date(project: Project) -> list[str]:
    """Write `dvc.yaml` anew where `dvc exp run -S` set what decides its form, such as a table.

    DVC has read the old one by then. What only the new one lists is returned: it has to be part
    of what the stages depend on.
    """
    write_missing_contracts(project)
    if not write_dvc_yaml(project):
        return []
    read = (*project.tables, *project.contracts.values(), *project.modules)
    return [path for path in read if (project.root / path).is_file()]  # else the stage tells it


def _contracts(project: Project, name: str) -> dict[str, bytes | None]:
    """The contracts and the project's own code that the stage depends on, by their paths."""
    deps = stage(name).deps
    paths = [*project.contracts.values()] if "{contracts}" in deps else []
    paths += project.modules if "{modules}" in deps else []
    return {path: _bytes(project.root / path) for path in paths}


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # the stage tells why, if it needs it
        return None


def _check_unedited(project: Project, name: str, contracts: Mapping[str, bytes | None]) -> None:
    """Raise `UsageError` where what a person wrote is no longer what the stage has read.

    DVC looks at what a stage depends on once its command has ended, and would record the new
    values with the old result. Milliseconds stay between this look and that one.
    """
    try:
        config = load_project(project.root).config
    except UsageError as e:
        raise UsageError(f"{CONFIG} was changed while {name} ran: {e.message}", hint=e.hint) from e
    me = stage(name)
    sections = me.params or {key: 0 for one in STAGES for key in one.params}
    for section in (*sections, *me.keys):
        asked = ([], [section]) if section in me.keys else ([section], [])
        if typed(config, *asked) != typed(project.config, *asked):
            raise UsageError(f"{CONFIG} was changed while {name} ran: {section}", hint="mlops run")
    for path, before in contracts.items():
        if _bytes(project.root / path) != before:
            raise UsageError(f"{path} was changed while {name} ran", hint="mlops run")
