"""The command `retrain`: a candidate on a branch of its own, where the policy asks for one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mlops_cli._locks import locked
from mlops_cli.actions.backtest import backtest as replay
from mlops_cli.audit.entry import REASON_LIMIT, Draft, Entry, Outcome
from mlops_cli.audit.graph import in_order
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.config.project import Project
from mlops_cli.config.sections.base import format_duration
from mlops_cli.errors import EnvironmentFault, GateError, InconclusiveError, UsageError
from mlops_cli.governance.main_line import tips
from mlops_cli.governance.registration import enter
from mlops_cli.governance.result import Registration, Wish
from mlops_cli.monitoring.retraining.backtest import Strategy
from mlops_cli.monitoring.retraining.policy import Asked, Policy
from mlops_cli.monitoring.windows.grid import moment_of
from mlops_cli.monitoring.windows.records import Window
from mlops_cli.monitoring.windows.window_log import read_windows
from mlops_cli.pipeline.branch import Branch, new_branch
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tracking import open_tracker

_LOCK = "retrain.lock"
_AT = "at"  # of an entry's subject: the moment that the policy was asked of


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """What the policy asks at `at` (UTC): `due` where there are `reasons` and nothing blocks it.

    `branch` and `registered` are what came of it, None where nothing was done. `fired` is when the
    policy would have asked, of a backtest, and `strategies` what that would have come to, beside
    training never, always and monthly.
    """

    at: datetime
    due: bool
    reasons: tuple[str, ...]
    blocked_by: tuple[str, ...]
    branch: str | None = None
    registered: Registration | None = None
    fired: tuple[datetime, ...] = ()
    strategies: tuple[Strategy, ...] = ()


def retrain(
    project: Project,
    *,
    at: str | None = None,
    dry_run: bool = False,
    backtest: bool = False,
    progress: Progress = QUIET,
) -> RetrainResult:
    """Train again where the policy asks for it, on a branch of its own; the model is a candidate.

    `at` is by default the end of the newest window that was judged. With `dry_run`, and with
    `backtest`, nothing is done. Raises `UsageError` where no window was judged or `retrain.when` is
    empty, and the error of the stage or the gate that refused.
    """
    windows = _windows(project)
    moment = moment_of(at, "--at") if at else windows[-1].end
    policy = Policy(project.config.retrain, project.config.metric)
    asked = policy.asks(windows, _retrained(project), moment)
    result = RetrainResult(moment, asked.due, asked.reasons, asked.blocked_by)
    if backtest:
        fired = policy.fired(windows)
        compared = replay(project, windows, fired, progress=progress)
        return replace(result, fired=tuple(fired), strategies=compared)
    if dry_run or not asked.due:
        return result
    taken = EnvironmentFault("another retrain of this project is going on", hint="wait for it")
    with locked(project.cache / _LOCK, otherwise=taken):
        asked = policy.asks(windows, _retrained(project), moment)  # the other one may have done it
        if not asked.due:
            return RetrainResult(moment, asked.due, asked.reasons, asked.blocked_by)
        branch, registered = _train(project, moment, asked, progress)
    return replace(result, branch=branch, registered=registered)


def _windows(project: Project) -> list[Window]:
    if not project.config.retrain.when:
        raise UsageError(
            "mlops.yaml: retrain.when is empty: nothing ever asks for a retraining",
            hint="retrain: {when: [{every: 30d}, {metric_drop: 5%}, {drift: 3}]}",
        )
    windows = read_windows(project.root)
    if not windows:
        raise UsageError("no window of predictions was judged yet", hint="mlops monitor")
    return windows


def _retrained(project: Project) -> list[datetime]:
    """The moments of which a retraining is recorded, whatever its gates said."""
    entries = in_order(every_entry(project.root, open_tracker(project)))
    made = (e for e in entries if e.action == "retrain" and e.outcome in ("done", "refused"))
    return [datetime.fromisoformat(e.subject[_AT]).astimezone(UTC) for e in made]


def _train(
    project: Project, moment: datetime, asked: Asked, progress: Progress
) -> tuple[str, Registration]:
    """The branch and the candidate on it; what became of it is recorded in any case."""
    tip = next(iter(tips(project.root, project.config.register_.branch)), None)
    if tip is None:
        raise UsageError(f"{project.root} has no commit to begin a branch from", hint="git init")
    settings = project.config.retrain
    window = None if settings.window == "all" else format_duration(settings.window)
    name = f"{settings.branch}/{moment:%Y-%m-%dT%H%M}"
    attempt = _Attempt(project, moment, name, "; ".join(asked.reasons))
    try:
        with new_branch(project, name, since=tip, window=window, progress=progress) as branch:
            progress.update(f"training on {name}")
            branch.run()
            registered = _put_forward(branch, attempt.reason, progress)
    except (GateError, InconclusiveError) as e:
        attempt.record("refused", e.message)
        raise
    attempt.record("done", digest=registered.digest)
    return name, registered


def _put_forward(branch: Branch, reason: str, progress: Progress) -> Registration:
    """Commit what was made, and make it the candidate, whether or not approvals are asked."""
    branch.commit(f"Train again: {reason}")
    wish = Wish(asked=True, judged=True, candidate=True)
    found = enter(branch.registering, wish, progress=progress)
    if found is None:
        raise EnvironmentFault(
            "another model became the champion while this one was trained",
            hint="run `mlops retrain` again: it is compared with that one",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A retraining as the audit log has it."""

    project: Project
    moment: datetime
    branch: str
    reason: str

    def record(self, outcome: Outcome, why: str | None = None, **subject: str) -> Entry:
        """An entry of what came of it."""
        at = {_AT: self.moment.isoformat(), "branch": self.branch}
        reason = f"{self.reason}; {why}" if why else self.reason
        draft = Draft("retrain", outcome, at | subject, reason[:REASON_LIMIT])
        return record(self.project, draft, copies=open_tracker(self.project))
