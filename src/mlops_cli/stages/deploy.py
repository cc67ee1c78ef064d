"""The command `deploy`: bring the champion to a target, or end what runs there."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_cli._adapters import load_adapter
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.load import Project
from mlops_cli.deploy import open_target
from mlops_cli.deploy.base import Deployment, Target
from mlops_cli.errors import MlopsError, UsageError
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tracking import open_tracking


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


def deploy(
    project: Project,
    *,
    target: str | None = None,
    port: int | None = None,
    stop: bool = False,
    progress: Progress = QUIET,
) -> DeployResult:
    """Deploy the champion's bundle to `target` and return when it answers, healthy.

    `target` and `port` default to the configuration's. The attempt is recorded in
    `deployments/history.jsonl`, whatever comes of it. Raises `UsageError` where there is no
    champion, `EnvironmentFault` with the target's reason where the target fails; what answered
    before answers still.
    """
    name = target or project.config.deploy.target
    place = open_target(name, project, port=port)
    if stop:
        return _stop(project, place, name)
    bundle = _champion(project)
    progress.say(f"deploying {bundle.version} to {name}")
    try:
        found = place.deploy(bundle, progress=progress)
    except MlopsError as e:
        _record(project, name, digest=bundle.digest, reason=e.message)
        raise
    _record(project, name, digest=bundle.digest, found=found)
    return DeployResult(name, found.url, found.digest, bundle.version)


def _champion(project: Project) -> Bundle:
    tracker = open_tracking(project.root, project.config.tracking, project.config.project)
    champion = tracker.champion()
    if champion is None:
        raise UsageError(
            f"{project.config.project} has no champion in {tracker.address}: nothing to deploy",
            hint="mlops run",
        )
    return open_bundle(tracker.fetch(champion.digest))


def _stop(project: Project, place: Target, name: str) -> DeployResult:
    history = load_adapter("mlops_cli.deploy.history")
    running = place.status()
    stopped = place.stop()
    if stopped:
        digest, url = (running.digest, running.url) if running else (None, None)
        event = history.Event("stop", name, "done", digest=digest, url=url)
        history.record(project.root, event)
    return DeployResult(name, stopped=stopped)


def _record(
    project: Project,
    target: str,
    *,
    digest: str,
    found: Deployment | None = None,
    reason: str | None = None,
) -> None:
    history = load_adapter("mlops_cli.deploy.history")
    event = history.Event(
        "deploy",
        target,
        "failed" if found is None else "done",
        digest=digest,
        url=found.url if found else None,
        reason=reason,
    )
    history.record(project.root, event)
