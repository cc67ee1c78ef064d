"""How the image gets to where the pods run: pushed, loaded by a command, or there already."""

from __future__ import annotations

import shlex
import subprocess

from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.errors import UsageError
from mlops_cli.progress import Progress
from mlops_cli.targets.base import Image
from mlops_cli.targets.kubernetes.faults import ClusterFault

_LIMIT = 1800.0  # seconds that the user's command may take


def image_name(config: KubernetesConfig, image: Image) -> str:
    """The name by which the pods ask for the image; nothing is built yet.

    Raises `UsageError` where the configuration names no way for it to get there.
    """
    if config.image is not None:
        return config.image
    if config.registry is not None:
        return image.name_in(config.registry)
    if config.load is not None:
        return image.name
    raise UsageError(
        "deploy.kubernetes says no way for the image to get into the cluster",
        hint="set one of deploy.kubernetes.registry (push it there), .load (such as "
        "`kind load docker-image {image}`) or .image (one that is there already)",
    )


def deliver(config: KubernetesConfig, image: Image, *, progress: Progress) -> None:
    """Bring the image to where the pods find it; raises `EnvironmentFault` where that fails."""
    if config.registry is not None:
        image.push(config.registry, progress=progress)
    elif config.load is not None:
        name = image.build(progress=progress)
        progress.update(f"loading {name} into the cluster")
        _run(command(config.load, name))


def command(template: str, image: str) -> list[str]:
    """The words of the user's command, split as a shell would, and run without one."""
    try:
        words = shlex.split(template)
    except ValueError as e:
        raise UsageError(
            f"deploy.kubernetes.load: {template!r} is no command: {e}", hint="fix its quotes"
        ) from e
    return [word.replace("{image}", image) for word in words]


def _run(words: list[str]) -> None:
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_LIMIT,
            check=False,
        )
    except OSError as e:
        raise ClusterFault(
            "load",
            f"deploy.kubernetes.load: {words[0]} cannot be run: {e.strerror}",
            hint="install it, or name it by its path",
        ) from e
    except subprocess.TimeoutExpired as e:
        raise ClusterFault("load", f"{words[0]} did not end within {_LIMIT:.0f} s") from e
    if done.returncode != 0:
        raise ClusterFault(
            "load",
            f"{shlex.join(words)} ended with code {done.returncode}: {done.stdout.strip()[-500:]}",
            hint="run it yourself to see all that it says",
        )
