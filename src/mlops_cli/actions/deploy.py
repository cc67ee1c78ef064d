"""The command `deploy`: bring a version to a target, say what that would change, or end it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlops_cli.actions import load_command
from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import BundleError, GateError, MlopsError, UsageError
from mlops_cli.governance.approvals import course_of, hold, rejection
from mlops_cli.governance.candidates import version_of
from mlops_cli.governance.champion import champion_of
from mlops_cli.governance.promotion import refuse_withdrawn
from mlops_cli.governance.residency import (
    allowed_regions,
    refuse_elsewhere,
    refuse_other_nodes,
)
from mlops_cli.packaging.image import project_image
from mlops_cli.packaging.signing import bring_signature
from mlops_cli.progress import QUIET, Progress
from mlops_cli.serving.trust import open_trusted
from mlops_cli.targets import open_target
from mlops_cli.targets.base import (
    Change,
    HasNodes,
    KeepsAnchor,
    KeepsKeys,
    KeepsLog,
    Release,
    Target,
    whole,
)
from mlops_cli.targets.exposure import exposed
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import DEPRECATED, ModelVersion, Tracker


@dataclass(frozen=True, slots=True)
class DeployResult:
    """What runs now on `target`; after `stop` nothing does, and the rest is None.

    `url` has no slash at its end; `stopped` is whether something ran that was ended.
    """

    target: str
    url: str | None = None
    digest: str | None = None
    version: str | None = None
    stopped: bool = False


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


def deploy(
    project: Project,
    *,
    target: str | None = None,
    port: int | None = None,
    stop: bool = False,
    version: str | None = None,
    expect: str | None = None,
    progress: Progress = QUIET,
) -> DeployResult:
    """Deploy the champion, or `version`, to `target` and return when it answers, healthy.

    `version` is one of the registry, by 12 digits of its digest or more; the champion stays who it
    is. `target` defaults to the configuration's, `port` to the running deployment's and then to the
    configuration's. `expect` is the version, or the start of
    the digest, that the champion must have. The attempt is recorded in
    the audit log, whatever comes of it. Raises `UsageError` where there is no
    champion or another one, or no such version or it was withdrawn, `ApprovalError` where an
    approval of it is missing or it was rejected, `GateError` where
    the target is not where `governance.residency` lets a model run, and `EnvironmentFault` with the
    target's reason where the target fails;
    what answered before answers still.
    """
    name, place = _place(project, target, port)
    if stop:
        _collect_first(project, place, name, progress)
        return _stop(project, place, name)
    release = _chosen(project, version, expect, progress)
    if port is None:
        place = where_it_runs(project, place, name)
    return bring(project, release, name, place, progress=progress)


def bring(
    project: Project, release: Release, name: str, place: Target, *, progress: Progress = QUIET
) -> DeployResult:
    """Deploy a release to the target `place`, called `name`; the attempt is recorded.

    Raises what `deploy` raises of the target.
    """
    progress.log(f"deploying {release.version} to {name}")
    if lack := exposed(project, name):
        progress.log(lack)
    subject = {"target": name, "digest": release.digest}
    try:
        _hold_to_residency(project, place, name, progress)
    except GateError as e:
        _record(project, Draft("deploy", "refused", subject, e.message))
        raise
    _collect_first(project, place, name, progress)
    try:
        found = place.deploy(whole(release), progress=progress)
    except MlopsError as e:
        _record(project, Draft("deploy", "failed", subject, e.message))
        raise
    except BaseException:
        reason = "interrupted before its outcome was known"
        record(project, Draft("deploy", "interrupted", subject, reason), copies=None)
        raise
    entry = _record(project, Draft("deploy", "done", subject | {"url": found.url}))
    _anchor(place, entry, progress)
    if _no_keys(project, place):
        add = f"mlops keys add NAME --target {name}"
        progress.log(f"there are no keys on {name}, so nobody is let in: {add}")
    return DeployResult(name, found.url, found.digest, release.version)


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
    _hold_to_residency(project, place, name)
    if port is None:
        place = where_it_runs(project, place, name)
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


def where_it_runs(project: Project, place: Target, name: str) -> Target:
    """The target with the port of what runs there, which nobody asked to change."""
    running = place.status()
    port = running.port if running else None
    return open_target(name, project, port=port) if port else place


def _chosen(
    project: Project, version: str | None, expect: str | None, progress: Progress = QUIET
) -> Release:
    """The version that is named, or the champion, held to the log."""
    tracker = open_tracker(project)
    named = (
        _named(project, tracker, version, progress)
        if version is not None
        else _champion(project, tracker, expect, progress)
    )
    hold(project, tracker, named.digest)
    return release_of(project, tracker, named.digest)


def _named(project: Project, tracker: Tracker, version: str, progress: Progress) -> ModelVersion:
    entries = every_entry(project.root, tracker)
    named = version_of(project, tracker, entries, version)
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


def release_of(project: Project, tracker: Tracker, digest: str) -> Release:
    """The bundle of that digest, its signature checked where that is asked, with its image.

    The image is built where a target needs it and it is gone. Raises `BundleError` where the
    registry's files are those of another bundle.
    """
    bundle = open_bundle(tracker.fetch(digest))
    if project.trust:
        bring_signature(project.root, bundle)
        bundle = open_trusted(bundle.path, str(project.trust))
    if bundle.digest != digest:  # what was decided is what is released
        raise BundleError(
            f"{bundle.path} holds the bundle {bundle.version}, and {short(digest)} was asked for",
            hint=f"remove {bundle.path}: it is fetched again",
        )
    return Release(bundle, project_image(project, bundle))


def _hold_to_residency(
    project: Project, place: Target, name: str, progress: Progress = QUIET
) -> None:
    refuse_elsewhere(project, name)
    if isinstance(place, HasNodes) and allowed_regions(project):
        regions = place.regions()
        if not regions:
            who = "may not be read" if regions is None else "name no region"
            progress.log(f"the labels of the nodes of {name} {who}: deploy.regions is trusted")
        refuse_other_nodes(project, name, regions or ())


def _no_keys(project: Project, place: Target) -> bool:
    """Whether the server asks for keys, and there is none."""
    asks = project.config.serve.keys is not None
    return asks and isinstance(place, KeepsKeys) and not place.keys()


def _collect_first(project: Project, place: Target, name: str, progress: Progress) -> None:
    """Bring home what was logged: it may go with what is replaced or ended.

    Where that fails, a deployment is not held up by it.
    """
    if project.config.serve.log is None or not isinstance(place, KeepsLog):
        return
    if place.status() is None:
        return
    try:
        load_command("collect")(project, target=name, closing=True, progress=progress)
    except MlopsError as e:
        progress.log(f"warning: the prediction log was not collected: {e.message}")


def _record(project: Project, draft: Draft) -> Entry:
    return record(project, draft, copies=open_tracker(project))


def _anchor(place: Target, entry: Entry, progress: Progress) -> None:
    """Keep the entry's id with what runs, so that the log's end cannot be cut off unseen."""
    if isinstance(place, KeepsAnchor):
        try:
            place.keep_anchor(entry.id)
        except MlopsError as e:
            progress.log(f"warning: no anchor of the audit log is kept: {e.message}")


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
            _record(project, outcome)
    return DeployResult(name, stopped=stopped)
