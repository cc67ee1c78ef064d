"""The port of a deploy target: where the champion answers, and what the target says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mlops_cli.bundle.reader import Bundle
from mlops_cli.progress import Progress


@dataclass(frozen=True, slots=True)
class Deployment:
    """What runs on a target, as the target itself says it, not as we remember it.

    `digest` (64 hex digits) is the bundle that answers; where nothing answers it is the one that
    should, and `healthy` is false. `url` has no slash at its end; `since` is in UTC.
    """

    target: str
    digest: str
    url: str
    healthy: bool
    since: datetime


class Target(Protocol):
    """One place where one project's model can be deployed.

    Every method raises `EnvironmentFault` with the target's own reason where the target does not
    do what was asked, in bounded time. At most one deployment of a project is on a target.
    """

    def deploy(self, bundle: Bundle, *, progress: Progress) -> Deployment:
        """Bring `bundle` to the target, and return when it answers, healthy, with its digest.

        Deploying again replaces what runs without losing a request. When this raises, what
        answered before answers still, and nothing of the failed attempt is left behind. The
        bundle's folder must stay as it is while it is deployed.
        """

    def status(self) -> Deployment | None:
        """What runs; None where nothing of this project does."""

    def stop(self) -> bool:
        """End what runs and leave nothing of it behind; False where nothing ran."""
