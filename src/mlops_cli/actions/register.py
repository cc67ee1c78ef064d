"""Judge the workspace's model in this process; what passes becomes a version and the champion."""

from __future__ import annotations

from functools import partial

from mlops_cli.config.project import Project
from mlops_cli.governance.registration import enter, settle
from mlops_cli.governance.result import Registration, Wish
from mlops_cli.progress import QUIET, Progress
from mlops_cli.stages import register as stage


def register(project: Project, *, first: bool = False, progress: Progress = QUIET) -> Registration:
    """Hold `model/` to `register.gates`; passing makes it a version, the champion, and an entry.

    On any branch, since it is asked for. `first` does without a champion. Raises `GateError` where
    a gate refuses, `InconclusiveError` where one cannot decide, `EnvironmentFault` where the
    registry has lost its champion, or another model became it each time that it was judged.
    """

    def evaluate() -> tuple[stage.RegisterResult, bool]:
        return stage.register(project, first=first, progress=progress), True

    wish = Wish(asked=True, first=first)
    _, found = settle(project, evaluate, wish, partial(enter, project, progress=progress))
    return found
