"""A container on trial: started as users will run it, asked for every golden row, removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mlops_cli import _docker
from mlops_cli._files import lives
from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import EnvironmentFault
from mlops_cli.packaging.replay import is_ready, replay_over_http
from mlops_cli.progress import Progress
from mlops_cli.serving.contract import PORT

TRIAL = "dev.mlops-cli.trial-of"  # the label that says which process a container is on trial for


def prove(client: Any, image: str, bundle: Bundle, *, progress: Progress) -> None:
    """Start `image` with a read-only root and no rights, and replay the golden rows over HTTP.

    Raises `EnvironmentFault` with the container's last words where it does not come up, or with
    row and field where a prediction differs. The container is removed in any case.
    """
    bound, host = _docker.published_on()
    with on_trial(client, image, ports={f"{PORT}/tcp": (bound, None)}) as container:
        container.start()
        port = _port(container)
        _docker.wait_until_ready(container, lambda: is_ready(host, port), progress)
        rows = replay_over_http(
            bundle, host, port, on_row=lambda n: progress.update("golden rows replayed", done=n)
        )
        progress.log(f"the image reproduces all {rows} golden rows")


@contextmanager
def on_trial(client: Any, image: str, **more: Any) -> Iterator[Any]:
    """A container of `image` with a read-only root and no rights, created; removed in any case."""
    container = client.containers.create(
        image,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        tmpfs={"/tmp": "size=64m"},  # noqa: S108  the container's own
        labels={TRIAL: f"{os.uname().nodename}-{os.getpid()}"},
        detach=True,
        **more,
    )
    try:
        yield container
    finally:
        _docker.drop(container)


def sweep(client: Any) -> None:
    """Remove the containers on trial whose process was killed; only this machine's are judged."""
    left = client.containers.list(all=True, filters={"label": TRIAL}, ignore_removed=True)
    for container in left:
        machine, _, process = container.labels[TRIAL].rpartition("-")
        if machine == os.uname().nodename and not lives(process):
            with suppress(_docker.EngineError):  # another process may be at it, too
                container.remove(force=True, v=True)


def _port(container: Any) -> int:
    container.reload()
    published = container.attrs["NetworkSettings"]["Ports"].get(f"{PORT}/tcp")
    if not published:  # it ended already: the reason is in its words
        raise EnvironmentFault(f"the container ended at once: {_docker.last_words(container)}")
    return int(published[0]["HostPort"])
