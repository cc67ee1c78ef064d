"""A release on its target: brought there, held to where it may run, recorded, anchored."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_cli.actions import load_command
from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.record import record
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import BundleError, GateError, MlopsError
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
from mlops_cli.tracking.base import Tracker


@dataclass(frozen=True, slots=True)
class DeployResult:
    """What runs now on `target`; after `stop` nothing does, and the rest is None.

    `url` has no slash at its end; `stopped` is whether something ran that was ended. Where the
    version is being rolled out, `weight` is the percentage that it answers, and `beside` the
    version (12 digits) that answers the rest.
    """

    target: str
    url: str | None = None
    digest: str | None = None
    version: str | None = None
    stopped: bool = False
    beside: str | None = None
    weight: float | None = None


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
        hold_to_residency(project, place, name, progress)
    except GateError as e:
        enter(project, Draft("deploy", "refused", subject, e.message))
        raise
    collect_first(project, place, name, progress)
    try:
        found = place.deploy(whole(release), progress=progress)
    except MlopsError as e:
        enter(project, Draft("deploy", "failed", subject, e.message))
        raise
    except BaseException:
        reason = "interrupted before its outcome was known"
        record(project, Draft("deploy", "interrupted", subject, reason), copies=None)
        raise
    entry = enter(project, Draft("deploy", "done", subject | {"url": found.url}))
    keep_anchor(place, entry, progress)
    if _no_keys(project, place):
        add = f"mlops keys add NAME --target {name}"
        progress.log(f"there are no keys on {name}, so nobody is let in: {add}")
    return DeployResult(name, found.url, found.digest, release.version)


def where_it_runs(project: Project, place: Target, name: str) -> Target:
    """The target with the port of what runs there, which nobody asked to change."""
    running = place.status()
    port = running.port if running else None
    return open_target(name, project, port=port) if port else place


def release_of(project: Project, tracker: Tracker, digest: str) -> Release:
    """The bundle of that digest, its signature checked where that is asked, with its image.

    The image is built where a target needs it and it is gone. Raises `BundleError` where the
    registry's files are those of another bundle, `UsageError` where it lacks a feature's code.
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
    bundle.refuse_unserved()
    return Release(bundle, project_image(project, bundle))


def hold_to_residency(
    project: Project, place: Target, name: str, progress: Progress = QUIET
) -> None:
    """Raise `GateError` where the target is not where `governance.residency` lets a model run."""
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


def collect_first(project: Project, place: Target, name: str, progress: Progress) -> None:
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


def enter(project: Project, draft: Draft) -> Entry:
    """Record it, in the registry's copy as well."""
    return record(project, draft, copies=open_tracker(project))


def keep_anchor(place: Target, entry: Entry, progress: Progress) -> None:
    """Keep the entry's id with what runs, so that the log's end cannot be cut off unseen."""
    if isinstance(place, KeepsAnchor):
        try:
            place.keep_anchor(entry.id)
        except MlopsError as e:
            progress.log(f"warning: no anchor of the audit log is kept: {e.message}")
