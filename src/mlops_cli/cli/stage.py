"""`mlops stage NAME --revision N`: the door that DVC knocks at; not for people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mlops_cli.cli.faults import INTERRUPTED, bug, os_fault, print_error
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import SETTINGS
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError, UsageError
from mlops_cli.pipeline.outcome import Failure, Outcome, write_outcome
from mlops_cli.pipeline.registration import REGISTRATION, run_registration, wish_of
from mlops_cli.pipeline.stage import run_stage
from mlops_cli.stages import UNDER_RUN


def stage_command(arguments: Sequence[str]) -> int:
    """Run one stage in this process; the exit code is that of its error."""
    project: Project | None = None
    name = arguments[0] if arguments else ""
    try:
        if wish := wish_of(arguments):
            name, project = REGISTRATION, load_project(Path.cwd())
            run_registration(project, wish, progress=TerminalProgress(prefix="register"))
            return 0
        name, revision = _parse(arguments)
        project = load_project(Path.cwd())  # whatever MLOPS_PROJECT says: DVC stands in ours
        progress = TerminalProgress(prefix=name)
        outcome = run_stage(project, name, revision, progress=progress)
        if name != SETTINGS:  # it is done in no time, and nobody waits for it
            progress.log(f"done in {outcome.seconds:.1f} s")
        passed = name == "register" and outcome.result and outcome.result["passed"]
        if passed and UNDER_RUN not in os.environ:
            progress.log("`mlops register` makes it a version, and the champion")
    except MlopsError as e:
        return _recorded(project, name, e, e.exit_code)
    except KeyboardInterrupt:
        return _recorded(project, name, MlopsError("interrupted"), INTERRUPTED)
    except OSError as e:
        return _recorded(project, name, fault := os_fault(e), fault.exit_code)
    except Exception as e:  # noqa: BLE001  the last resort: a bug of ours becomes exit 1
        return _recorded(project, name, fault := bug(e), fault.exit_code)
    return 0


def _parse(arguments: Sequence[str]) -> tuple[str, int]:
    match list(arguments):
        case [name, "--revision", revision] if revision.isdecimal():
            return name, int(revision)
    raise UsageError(
        "this command is for DVC: mlops stage NAME --revision N",
        hint="type the stage's own name instead, such as `mlops train`",
    )


def _recorded(project: Project | None, name: str, e: MlopsError, code: int) -> int:
    """Leave the failure to `mlops run`, which tells it; without one, or on a full disk, tell it."""
    TerminalProgress.clear_shown()
    left = project is not None and _left(project, name, e, code)
    if code != INTERRUPTED and not (left and UNDER_RUN in os.environ):
        print_error(e)
    return code


def _left(project: Project, name: str, e: MlopsError, code: int) -> bool:
    failure = Failure(code=code, kind=e.kind, message=e.message, hint=e.hint)
    try:
        write_outcome(project, name, Outcome(0.0, failure=failure))
    except OSError:
        return False
    return True
