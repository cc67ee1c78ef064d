"""`mlops run`: check everything that can be checked first, then let DVC run what changed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from mlops_cli._files import write_text
from mlops_cli._templates import KINDS, OWN, own_templates
from mlops_cli.actions import load_command
from mlops_cli.audit.log import known_entries
from mlops_cli.config.paths import CONFIG, DVC_LOCK, DVC_YAML, REQUEST, SETTINGS
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import EnvironmentFault, MlopsError, UsageError, error_of_exit_code
from mlops_cli.features.base import load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.governance.champion import kept_champion, lost_champion
from mlops_cli.governance.features import refuse_changed, registered_features
from mlops_cli.governance.registration import enter, settle
from mlops_cli.governance.result import Registration, Wish
from mlops_cli.pipeline.dvc import StageFailed, reproduce, stale_stages
from mlops_cli.pipeline.dvc_yaml import (
    add_missing_sections,
    files_of,
    write_dvc_yaml,
)
from mlops_cli.pipeline.example import refresh_request
from mlops_cli.pipeline.forkserver.launcher import supported, warm_parent
from mlops_cli.pipeline.kept import keep_tables
from mlops_cli.pipeline.outcome import Failure, Outcome, own_outcomes, read_outcome
from mlops_cli.pipeline.registration import REGISTRATION, arguments_of
from mlops_cli.pipeline.result import RunResult, StageRun, registers
from mlops_cli.pipeline.state import settings_changed
from mlops_cli.pipeline.unchanged import RECORD, Sight, look, record_of
from mlops_cli.pipeline.worth import worth_of
from mlops_cli.progress import QUIET, Progress
from mlops_cli.stages import ANEW, FIRST, STAGES, UNDER_RUN, stages_of
from mlops_cli.stages.settings import settings
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.address import own_database


def run(
    project: Project,
    *targets: str,
    asked: bool = False,
    first: bool = False,
    force: bool = False,
    progress: Progress = QUIET,
) -> RunResult:
    """Bring `targets` and what they depend on up to date (none: the whole pipeline).

    What passed the gates becomes a version and the champion on the main line, or where it is
    `asked` for; `first` does without a champion, once. `force` runs also what did not change, of
    `targets` and of what they depend on. Raises the error of the stage that failed,
    with that stage's own exit code.
    """
    started = time.monotonic()
    asked_of_stages = {FIRST: first, ANEW: force, UNDER_RUN: True}
    never_ran = not (project.root / DVC_LOCK).exists()
    with own_outcomes(), warm_parent(at_once=never_ran), _told(asked_of_stages):
        _prepare(project, progress)
        seen = _look(project)
        done, found = _registered(project, targets, Wish(asked, first), progress, force=force)
        stages = [_stage_run(project, name, done) for name in _named(done, stages_of(targets))]
    if not done and not targets and found and seen and seen == _look(project):
        with suppress(OSError):  # this run ended well, whatever the next one has to look at
            if found.state == "champion":  # anything else may be another time otherwise
                write_text(project.root / RECORD, record_of(seen, found))
    if "train" in done and refresh_request(project):
        progress.log(f"{REQUEST} brought up to date: the model takes other inputs now")
    worth = worth_of(project.root, targets)
    return RunResult(stages, time.monotonic() - started, found, worth)


def _registered(
    project: Project, targets: Sequence[str], wish: Wish, progress: Progress, *, force: bool
) -> tuple[list[str], Registration | None]:
    """The stages that ran, and what became of the model where the run goes that far."""
    done: dict[str, None] = {}

    def evaluate() -> tuple[None, bool]:
        ran = _reproduce(project, targets, progress, force=force)
        done.update(dict.fromkeys(ran))
        return None, "register" in ran

    if not registers(targets):
        evaluate()
        return list(done), None
    if not wish.first:
        _refuse_a_lost_champion(project, wish, force=force)

    def enter_it(wish: Wish) -> Registration | None:
        if done and supported():  # the warm parent has the registry's library in memory
            return _enter_beside(project, wish)
        return enter(project, wish, progress=progress)

    _, found = settle(project, evaluate, wish, enter_it)
    return list(done), found


def _refuse_a_lost_champion(project: Project, wish: Wish, *, force: bool) -> None:
    """Before the search: `register` could not say, at its end, whether its model is any better.

    Only where the project's own registry is not there at all, as in a clone: that costs nothing.
    """
    database = own_database(project.root, project.config.tracking.uri)
    if database is None or database.exists() or not (project.root / DVC_YAML).exists():
        return
    lost = lost_champion(project, open_tracker(project).address)
    restored = wish.asked and kept_champion(project)
    if lost and not restored and (force or stale_stages(project.root)):
        raise lost


def _enter_beside(project: Project, wish: Wish) -> Registration | None:
    command = [sys.executable, "-P", "-m", "mlops_cli", "stage", *arguments_of(wish)]
    subprocess.run(command, cwd=project.root, stdout=sys.stderr, check=False)
    outcome = read_outcome(project, REGISTRATION)
    if outcome is None or outcome.failure:
        raise _own_error(outcome, "register", MlopsError("the registration failed"))
    return msgspec.convert(outcome.result, Registration | None)


@contextmanager
def _told(asked: Mapping[str, bool]) -> Iterator[None]:
    """DVC starts the stages: their environment tells them what was asked, and ends with this run.

    A file would outlive a run that is killed, and wave the next one's model through. What this
    process was given counts no more than a file: who wants `--first` says so.
    """
    given = {name: os.environ.pop(name, None) for name in asked}
    os.environ |= {name: "1" for name, wanted in asked.items() if wanted}
    try:
        yield
    finally:
        for name, before in given.items():
            os.environ.pop(name, None)
            if before is not None:
                os.environ[name] = before


def _prepare(project: Project, progress: Progress) -> None:
    """Everything that can be checked or completed before a stage works."""
    own_templates(project.root)  # DVC does not know one whose name is misspelt
    _bring_missing(project, progress)
    _check_tables(project)
    for section in add_missing_sections(project):
        progress.log(f"mlops.yaml: added the section `{section}`")
    for path in write_missing_contracts(project):
        progress.log(f"{path.relative_to(project.root)} inferred and written: have a look at it")
    keep_tables(project, progress)
    schemas = load_schemas(project)
    check_features(project.config, schemas, project.root)
    if registered := registered_features(project):
        refuse_changed(known_entries(project.root), registered)
    if write_dvc_yaml(project):
        progress.log("dvc.yaml brought up to date")
    # A type alone, which DVC does not see in `mlops.yaml`, it sees in these files.
    if any(settings_changed(project, stage) for stage in STAGES):
        settings(project)


def _look(project: Project) -> Sight | None:
    """What `unchanged` may go by; None where the files alone do not tell that nothing changed."""
    by_surroundings = "${" in (project.root / CONFIG).read_text(encoding="utf-8")
    elsewhere = project.config.tracking.uri or os.environ.get("MLFLOW_TRACKING_URI")
    paths = None if by_surroundings or elsewhere else files_of(project)
    templates = [f"{OWN}/{kind}" for kind in KINDS]  # a new file there may be a misspelt one
    return look(project.root, [*paths, *templates]) if paths else None


def _bring_missing(project: Project, progress: Progress) -> None:
    """Ingest the table, where it has a source and neither this machine nor DVC has it."""
    data = project.config.data
    folder = project.root / data.table
    if data.source is None or folder.exists() or Path(f"{folder}.dvc").is_file():
        return
    found = load_command("ingest")(project, progress=progress)
    progress.log(f"{found.rows} rows of {data.name} ingested into {data.table}")


def _check_tables(project: Project) -> None:
    for table in project.tables:
        if (project.root / table).exists():
            continue
        kept = (project.root / f"{table}.dvc").is_file()
        raise UsageError(
            f"mlops.yaml names the table {table}, and {project.root / table} does not exist",
            hint="bring it back: `dvc checkout`, or `dvc pull` from where your team keeps it"
            if kept
            else f"put the file there, or `dvc add {table}`",
        )


def _reproduce(
    project: Project, targets: Sequence[str], progress: Progress, *, force: bool
) -> list[str]:
    """What ran, without `settings`, which computes nothing."""
    try:
        done = reproduce(project.root, targets, progress, force=force)
    except StageFailed as e:
        raise _own_error(read_outcome(project, e.stage), e.stage, e) from e
    return [name for name in done if name != SETTINGS]


def _own_error(outcome: Outcome | None, stage: str, e: MlopsError) -> MlopsError:
    failure: Failure | None = outcome.failure if outcome else None
    if failure is None:
        return EnvironmentFault(
            f"{e.message}, and left no reason",
            hint="it was killed, or is a stage of your own: its output stands above",
        )
    if failure.code == 130:
        raise KeyboardInterrupt
    return error_of_exit_code(failure.code, f"{stage}: {failure.message}", failure.hint)


def _named(done: Sequence[str], ours: Sequence[str]) -> list[str]:
    """Our stages, and what ran of the user's own, each before what ran after it."""
    names = list(ours)
    at = len(names) if {*ours} & {*done} else 0
    for name in reversed(done):
        if name in ours:
            at = names.index(name)
        else:
            names.insert(at, name)
    return names


def _stage_run(project: Project, name: str, done: Sequence[str]) -> StageRun:
    if name not in done:
        return StageRun(name, "unchanged")
    outcome = read_outcome(project, name)
    if outcome is None:  # a stage of the user's leaves none
        ours = name in {stage.name for stage in STAGES}
        return StageRun(name, "restored" if ours else "ran")
    return StageRun(name, "ran", round(outcome.seconds, 3), outcome.result)
