"""The command `deploy`: bring a version to a target, say what that would change, or end it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlops_cli.actions.bring import (
    DeployResult,
    bring,
    collect_first,
    enter,
    hold_to_residency,
    release_of,
    where_it_runs,
)
from mlops_cli.actions.rollout import turn_of, wait, work_of
from mlops_cli.actions.rollout_start import asks_for_one, start
from mlops_cli.actions.rollout_steps import Found, Work, rollout_of
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.log import every_entry
from mlops_cli.bundle.manifest import short
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError, UsageError
from mlops_cli.governance.approvals import course_of, hold, rejection
from mlops_cli.governance.candidates import version_of
from mlops_cli.governance.champion import champion_of
from mlops_cli.governance.promotion import refuse_withdrawn
from mlops_cli.governance.residency import refuse_elsewhere
from mlops_cli.governance.withdrawal import take_again
from mlops_cli.progress import QUIET, Progress
from mlops_cli.targets import open_target
from mlops_cli.targets.base import Change, Deployment, Release, Target, whole
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import DEPRECATED, ModelVersion, Tracker


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What deploying `version` to `target` would change there; `changes` is empty if nothing."""

    target: str
    digest: str
    version: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class RenderResult:
    """The files, in `folder`, that describe the deployment to the target's own tools."""

    target: str
    digest: str
    version: str
    folder: str
    files: tuple[str, ...]


Result = DeployResult | PlanResult | RenderResult


@dataclass(frozen=True, slots=True)
class How:
    """How a version comes to answer: `again` also one that a rollout withdrew; `wait` to the end
    of its rollout."""

    again: bool = False
    wait: bool = False


AT_ONCE = How()


def deploy(
    project: Project,
    *,
    target: str | None = None,
    port: int | None = None,
    stop: bool = False,
    version: str | None = None,
    expect: str | None = None,
    how: How = AT_ONCE,
    progress: Progress = QUIET,
) -> DeployResult:
    """Deploy the champion, or `version`, to `target` and return when it answers, healthy.

    With `deploy.rollout`, and where another version answers there, it begins to earn its traffic;
    nothing is done where it already does.

    `version` is one of the registry, by 12 digits of its digest or more; the champion stays who it
    is. `target` defaults to the configuration's, `port` to the running deployment's and then to the
    configuration's. `expect` is the version, or the start of
    the digest, that the champion must have. The attempt is recorded in
    the audit log, whatever comes of it. Raises `UsageError` where there is no
    champion or another one, or no such version or it was withdrawn, `ApprovalError` where an
    approval of it is missing or it was rejected, `GateError` where
    the target is not where `governance.residency` lets a model run, and `EnvironmentFault` with the
    target's reason where the target fails;
    what answered before answers still. Where it waits, what `rollout.wait` raises.
    """
    name, place = _place(project, target, port)
    if stop:
        if version is not None:
            raise UsageError("--version names what is deployed", hint="no --stop")
        collect_first(project, place, name, progress)
        return _stop(project, place, name)
    release = _chosen(project, version, expect, progress, again=how.again)
    if port is None:
        place = where_it_runs(project, place, name)
    work = work_of(project, place, name, progress)
    if work is None:
        return bring(project, release, name, place, progress=progress)
    with turn_of(project):
        result = _by_rollout(work, release)
    if how.wait and result.weight is not None:
        wait(work)
        return DeployResult(name, result.url, release.digest, release.version)
    return result


def _by_rollout(work: Work, release: Release) -> DeployResult:
    """Deploy to a target that keeps rollouts: at once, or by one that begins or goes on."""
    project, name, place = work.project, work.name, work.place
    found, running = work.mend(work.read()), place.status()
    state = found.state
    if state is not None and state.goes_on and running is not None:
        if state.candidate == release.digest:
            work.progress.log(f"{release.version} is being rolled out to {name}: nothing is begun")
            return _rolling(work, found, running)
        raise UsageError(
            f"{short(state.candidate)} is being rolled out to {name}, and {release.version} cannot "
            "begin before that has ended",
            hint="mlops rollout promote, or mlops rollout abort",
        )
    if running is not None and asks_for_one(project, place, running, release.digest):
        return _rolling(work, start(work, found, running, release), running)
    if project.config.deploy.rollout.strategy != "rolling" and running is None:
        work.progress.log(f"nothing is deployed on {name}: all of its traffic is {release.version}")
    return bring(project, release, name, place, progress=work.progress)


def _rolling(work: Work, found: Found, running: Deployment) -> DeployResult:
    state = rollout_of(found)
    return DeployResult(
        work.name,
        running.url,
        state.candidate,
        short(state.candidate),
        beside=short(state.champion),
        weight=state.weight,
    )


def plan(
    project: Project,
    *,
    target: str | None = None,
    port: int | None = None,
    version: str | None = None,
    expect: str | None = None,
) -> PlanResult:
    """What `deploy` would change on `target`; nothing is changed, built or recorded.

    Raises what `deploy` raises before it begins.
    """
    name, place = _place(project, target, port)
    release = _chosen(project, version, expect)
    hold_to_residency(project, place, name)
    if port is None:
        place = where_it_runs(project, place, name)
    if asks_for_one(project, place, place.status(), release.digest):
        config = project.config.deploy.rollout
        first = f"{config.weights[0]:g} % of the traffic first"
        changes = (Change("create", config.strategy, f"{name}: {release.version}", first),)
        return PlanResult(name, release.digest, release.version, changes)
    return PlanResult(name, release.digest, release.version, tuple(place.plan(whole(release))))


def render(
    project: Project,
    folder: Path,
    *,
    target: str | None = None,
    port: int | None = None,
    version: str | None = None,
    expect: str | None = None,
) -> RenderResult:
    """Write to `folder` what `deploy` would apply, for the target's own tools.

    The target is not asked. Raises what `deploy` raises of the version.
    """
    name, place = _place(project, target, port)
    release = _chosen(project, version, expect)
    refuse_elsewhere(project, name)
    files = tuple(str(file) for file in place.render(whole(release), folder))
    return RenderResult(name, release.digest, release.version, str(folder), files)


def _place(project: Project, target: str | None, port: int | None) -> tuple[str, Target]:
    name = target or project.config.deploy.target
    return name, open_target(name, project, port=port)


def _chosen(
    project: Project,
    version: str | None,
    expect: str | None,
    progress: Progress = QUIET,
    *,
    again: bool = False,
) -> Release:
    if version is not None and expect is not None:
        raise UsageError("--version names what is deployed", hint="no --expect")
    tracker = open_tracker(project)
    if version is None and expect is not None:
        named = _held(project, tracker, _champion(project, tracker, expect, progress))
    else:
        named = chosen(project, tracker, version, progress=progress, again=again)
    return release_of(project, tracker, named.digest)


def chosen(
    project: Project,
    tracker: Tracker,
    version: str | None,
    *,
    again: bool = False,
    progress: Progress = QUIET,
) -> ModelVersion:
    """The version that is named, or the champion, held to the log; raises what `deploy` raises."""
    if version is None:
        return _held(project, tracker, _champion(project, tracker, None, progress))
    return _held(project, tracker, _named(project, tracker, version, progress, again=again))


def _held(project: Project, tracker: Tracker, named: ModelVersion) -> ModelVersion:
    hold(project, tracker, named.digest)
    return named


def _named(
    project: Project, tracker: Tracker, version: str, progress: Progress, *, again: bool
) -> ModelVersion:
    entries = every_entry(project.root, tracker)
    named = version_of(project, tracker, entries, version)
    if not (again and take_again(tracker, named)):
        refuse_withdrawn(named)
    if no := rejection(named.digest, course_of(entries, named.digest)):
        raise no
    if DEPRECATED in named.tags:
        progress.log(f"warning: {named.version} was taken back: {named.tags[DEPRECATED]}")
    return named


def _champion(
    project: Project, tracker: Tracker, expect: str | None, progress: Progress
) -> ModelVersion:
    champion = champion_of(project, tracker)
    # A part of a version would approve of others, too.
    if expect not in (None, champion.version, champion.digest):
        raise UsageError(
            f"the champion in {tracker.address} is {champion.version}, and not {expect or 'none'}",
            hint="it has changed since, or was never that one: `mlops status` shows it",
        )
    if not champion.number:
        known = f"{champion.version} is the last one of the audit log"
        progress.log(f"{tracker.address} has no champion: {known}, and is deployed")
    return champion


def _stop(project: Project, place: Target, name: str) -> DeployResult:
    running = place.status()
    was = {"digest": running.digest, "url": running.url} if running else {}
    attempt = partial(Draft, "stop", subject={"target": name} | was)
    outcome: Draft | None = attempt("interrupted", reason="interrupted before it had ended")
    try:
        stopped = place.stop()
        outcome = attempt("done") if stopped else None
    except MlopsError as e:
        outcome = attempt("failed", reason=e.message)
        raise
    finally:
        if outcome is not None:
            enter(project, outcome)
    return DeployResult(name, stopped=stopped)
