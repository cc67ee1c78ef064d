"""The prediction logs of pods, which go with them: fetched through `kubectl exec`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from mlops_cli.errors import EnvironmentFault
from mlops_cli.targets.kubernetes.faults import ClusterFault, fault_of
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.pods import runs
from mlops_cli.targets.kubernetes.rollout import pods_of
from mlops_cli.targets.shipped import Take, removals, send, unpack


def collect(kubectl: Kubectl, name: str, take: Take, *, closing: bool) -> None:
    """Hand over what each pod has; see `KeepsLog.collect`.

    Raises `EnvironmentFault` naming the pods that did not give theirs, after all others did.
    """
    failed = []
    for pod in pods_of(kubectl, name):
        if not runs(pod):
            continue
        try:
            _collect(kubectl, pod["metadata"]["name"], take, closing=closing)
        except EnvironmentFault as e:
            failed.append(f"{pod['metadata']['name']}: {e.message}")
    if failed:
        raise ClusterFault(
            "pod",
            f"{len(failed)} pods did not give their log: {'; '.join(failed)[:500]}",
            hint="mlops collect again; it needs the right to `create pods/exec`",
        )


def _collect(kubectl: Kubectl, pod: str, take: Take, *, closing: bool) -> None:
    inside = ("exec", pod, "--container=server", "--")
    with tempfile.TemporaryDirectory() as folder:
        found = _fetched(kubectl, (*inside, *send(closing=closing)), Path(folder))
        if found:
            take(found)
            for command in removals([path.name for path in found]):
                with suppress(ClusterFault):  # stored is stored: it counts once, by its name
                    kubectl.run(*inside, *command)


def _fetched(kubectl: Kubectl, command: Sequence[str], folder: Path) -> list[Path]:
    with tempfile.TemporaryFile() as errors:
        with kubectl.stream(*command, errors=errors) as process:
            # What fails sends no archive; why, kubectl says.
            first = process.stdout.peek(1) if isinstance(process.stdout, BufferedReader) else b""
            found = unpack(process.stdout, folder) if process.stdout and first else []
        if process.returncode:
            errors.seek(0)
            raise fault_of(errors.read().decode(errors="replace"))
    return found
