"""The port of a deploy target: where the champion answers, and what the target says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.progress import Progress
from mlops_cli.serving.rollouts.arms import Tally


class Image(Protocol):
    """The image that serves one bundle, made when a target first needs it and no earlier."""

    @property
    def name(self) -> str:
        """`project:version-release`, its tag in the local engine, built or not yet."""

    def name_in(self, registry: str) -> str:
        """The name it has, or would have, in `registry` (host and path without a tag)."""

    def build(self, *, progress: Progress) -> str:
        """Have it in the local engine, its golden rows replayed; returns `name`.

        Nothing is done where the engine has it already, made of the same inputs. Raises
        `EnvironmentFault` where there is no engine, the build fails or a row differs.
        """

    def push(self, registry: str, *, progress: Progress) -> str:
        """Build it if need be and push it with the user's own login; returns `name_in(registry)`.

        Raises what `build` raises, and `EnvironmentFault` with the registry's own reason.
        """


@dataclass(frozen=True, slots=True)
class Release:
    """What is to be deployed: a bundle, and the image of it for targets that run containers."""

    bundle: Bundle
    image: Image

    @property
    def digest(self) -> str:
        """The bundle's digest, 64 hex digits."""
        return self.bundle.digest

    @property
    def version(self) -> str:
        """The first 12 digits of the digest."""
        return self.bundle.version


@dataclass(frozen=True, slots=True)
class Route:
    """A version, and the percentage of the traffic that it answers."""

    release: Release
    percent: float


Routes = tuple[Route, ...]
"""Whose percentages make 100; the version that stands for the deployment comes first."""


def whole(release: Release) -> Routes:
    """All traffic to one version."""
    return (Route(release, 100.0),)


def only(routes: Routes) -> Release:
    """The one version of `routes`, for a target that cannot divide traffic.

    Raises `UsageError` where there is another one.
    """
    if len(routes) == 1:
        return routes[0].release
    versions = ", ".join(route.release.version for route in routes)
    raise UsageError(
        f"this target cannot divide the traffic between versions ({versions})",
        hint="deploy one of them",
    )


@dataclass(frozen=True, slots=True)
class Share:
    """A version by its digest (64 hex digits), and the percentage of the traffic it answers."""

    digest: str
    percent: float


@dataclass(frozen=True, slots=True)
class Change:
    """One thing on the target that `deploy` would make otherwise.

    `kind` and `name` are the target's own words for it (process, container, Deployment);
    `detail` is for people: one line, or a unified diff.
    """

    action: Literal["create", "update", "delete"]
    kind: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What runs on a target, as the target itself says it, not as we remember it.

    `digest` (64 hex digits) is the bundle that answers; where nothing answers it is the one that
    should, and `healthy` is false. `url` has no slash at its end; `since` is in UTC. `port` is
    the one that `deploy` was asked for or was given, None where a target has none to keep.
    `shares` is how the traffic is divided: all of it to `digest` where it is empty.
    """

    target: str
    digest: str
    url: str
    healthy: bool
    since: datetime
    port: int | None = None
    shares: tuple[Share, ...] = ()


@runtime_checkable
class KeepsKeys(Protocol):
    """A target whose server may ask for API keys; where it keeps them is its own to say."""

    def keys(self) -> bytes | None:
        """The content of the keys' file, as `serving.auth` reads it; None where there is none.

        Raises `EnvironmentFault` where the target cannot be asked.
        """

    def keep_keys(self, content: bytes) -> None:
        """Put this in its place; what runs obeys it within seconds, without a restart.

        Raises `EnvironmentFault` where that failed.
        """


@runtime_checkable
class Controlled(Protocol):
    """A target whose server loads versions, and moves traffic, for who has the control secret.

    Each `deploy` makes another one, which stands on the target alone: who may read it there may
    use it, as `Authorization: Bearer SECRET`.
    """

    def control_secret(self) -> str | None:
        """The secret; None where nothing is deployed.

        Raises `EnvironmentFault` where the target cannot be asked.
        """


@dataclass(frozen=True, slots=True)
class Kept:
    """The document of a rollout (JSON, as `serving.rollouts.traffic` has it) that a target keeps.

    `revision` is the target's own mark of it: the one after which the next may be kept.
    """

    document: bytes
    revision: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What one start of a service has counted of both arms, and the document that it obeys.

    `boot` is another text after each start; `now` is its clock, in UTC.
    """

    boot: str
    now: datetime
    document: bytes | None
    tallies: tuple[Tally, ...]


class RolloutMoved(EnvironmentFault):
    """The document of a rollout is another one than was read: somebody moved it meanwhile."""


@runtime_checkable
class KeepsRollout(Protocol):
    """A target that divides the traffic between two versions, and keeps the rollout's document.

    The document on the target is the truth: servers obey it, whoever tells them, and one that was
    away reads it when it starts. Two bundles are beside each other from `bring_beside` until
    `Target.deploy` brings one of them alone. A `deploy` leaves the document as it is, and `stop`
    takes it away. Every method raises `EnvironmentFault` where the target does not do it.
    """

    def bring_beside(self, champion: Release, candidate: Release, *, progress: Progress) -> str:
        """Have the candidate's bundle where the champion answers; no request meets it yet.

        Returns its path for `Traffic.candidate_path`. The champion, which runs, is deployed again
        first where that is needed. Doing it again does nothing more.
        """

    def rollout(self) -> Kept | None:
        """The document; None where there is none. One that is no JSON is returned as it is."""

    def keep_rollout(self, document: bytes, after: Kept | None) -> None:
        """Keep the document in the place of `after`, and return when every server obeys it.

        Raises `RolloutMoved`, with nothing changed, where the target keeps another one by now, and
        `UsageError`, with nothing changed, where a server cannot load the candidate. A server that
        is away obeys it when it is back.
        """

    def tell_rollout(self, document: bytes) -> None:
        """Have servers that obey an older one obey this, which is kept; they would soon anyhow."""

    def counted(self) -> tuple[Counted, ...]:
        """What each server has counted by now; those that are away are left out."""

    def alone(self, digest: str) -> bool:
        """Whether this version is what is deployed, and nothing of a rollout is left beside it."""

    def seen(self) -> bytes | None:
        """What `keep_seen` kept last, beside the document."""

    def keep_seen(self, content: bytes) -> None:
        """Keep what was last seen of the counts, so that they outlive the servers that counted.

        It is no part of the document, and of two that keep it at once the last one wins.
        """


@runtime_checkable
class TellsOfCandidate(Protocol):
    """A target where nobody may answer in the place of a candidate that is down."""

    def candidate_fault(self) -> str | None:
        """Why nothing of the candidate answers; None where something does, or soon may.

        Raises `EnvironmentFault` where the target cannot be asked.
        """


@runtime_checkable
class KeepsLog(Protocol):
    """A target whose server keeps a prediction log; where it stands is its own to say."""

    def collect(self, take: Callable[[Sequence[Path]], None], *, closing: bool = False) -> None:
        """Hand the closed segments of the service's logs to `take`, and remove them after it.

        Segments may be handed over in several calls, each with files that are readable until it
        returns; where it raises, they stay on the target. With `closing` those that are open are
        closed first. Nothing is handed over where there is no log. Raises `EnvironmentFault` with
        the target's own reason.
        """


@runtime_checkable
class KeepsAnchor(Protocol):
    """A target where the id of an entry of the audit log is kept with what is deployed."""

    def anchor(self) -> str | None:
        """The id; None where nothing is deployed, or nothing was kept with it.

        Raises `EnvironmentFault` where the target cannot be asked.
        """

    def keep_anchor(self, entry: str) -> None:
        """Keep the id with what is deployed, which goes on as it is; nothing where nothing is.

        Raises `EnvironmentFault` where that failed.
        """


@runtime_checkable
class HasNodes(Protocol):
    """A target of several machines, which may tell in which regions they are."""

    def regions(self) -> tuple[str, ...] | None:
        """The regions of those that have one by their label; None where nobody may look.

        Raises `EnvironmentFault` where the target cannot be asked.
        """


class Target(Protocol):
    """One place where one project's model can be deployed.

    Every method raises `EnvironmentFault` with the target's own reason where the target does not
    do what was asked, in bounded time. At most one deployment of a project is on a target; it may
    hold several versions.
    """

    def deploy(self, routes: Routes, *, progress: Progress) -> Deployment:
        """Bring the versions of `routes` to the target, and return when they answer, healthy.

        Deploying again replaces what runs; how many requests that costs, each target says. When
        this raises, what answered before answers still, and nothing of the failed attempt is
        left behind. The bundles' folders must stay as they are while they are deployed. Raises
        `UsageError` where the target cannot divide the traffic so.
        """

    def plan(self, routes: Routes) -> list[Change]:
        """What `deploy` would change, as the target itself stands now; empty if nothing.

        It changes nothing and builds no image.
        """

    def render(self, routes: Routes, folder: Path) -> list[Path]:
        """Write what describes the deployment to `folder`; returns the files, in order.

        The files are for the target's own tools, without this package. The target is not asked,
        and other files in `folder` stay as they are.
        """

    def status(self) -> Deployment | None:
        """What runs; None where nothing of this project does."""

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """The last lines that the deployed service wrote, oldest first, without line ends.

        With `follow` it waits for more, until the caller stops asking or nothing runs any more.
        Raises `EnvironmentFault` where nothing of this project runs.
        """

    def stop(self) -> bool:
        """End what runs and leave nothing of it behind; False where nothing ran."""
