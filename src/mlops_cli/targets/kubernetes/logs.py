"""What the pods write, as one stream of lines, also of pods that come while one looks on."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Iterator

from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import Object
from mlops_cli.targets.kubernetes.rollout import pods_of

LINES = 1000  # so many of each pod's last lines are shown
_STEP = 2.0  # seconds between two looks for new pods


def lines(kubectl: Kubectl, name: str, *, follow: bool) -> Iterator[str]:
    """`[pod's suffix] line` of every pod, each pod's in order, without line ends.

    With `follow` it goes on with pods that come later, until there is none any more.
    """
    if follow:
        yield from _followed(kubectl, name)
        return
    for pod in sorted(pods_of(kubectl, name), key=_age):
        if _started(pod):
            said = kubectl.run("logs", pod["metadata"]["name"], f"--tail={LINES}")
            yield from (f"[{_suffix(pod)}] {line}" for line in said.splitlines())


def _followed(kubectl: Kubectl, name: str) -> Iterator[str]:
    said: queue.Queue[str] = queue.Queue()
    readers: dict[str, subprocess.Popen[bytes]] = {}
    next_look = 0.0
    try:
        while True:
            if time.monotonic() >= next_look:
                pods = pods_of(kubectl, name)
                for pod in sorted(pods, key=_age):
                    if pod["metadata"]["name"] not in readers and _started(pod):
                        readers[pod["metadata"]["name"]] = _reader(kubectl, pod, said)
                alive = [p for p in readers.values() if p.poll() is None]
                if not pods and not alive and said.empty():
                    return
                next_look = time.monotonic() + _STEP
            try:
                yield said.get(timeout=0.1)
            except queue.Empty:
                continue
    finally:
        for process in readers.values():
            process.kill()
            process.wait()


def _reader(kubectl: Kubectl, pod: Object, said: queue.Queue[str]) -> subprocess.Popen[bytes]:
    process = kubectl.stream("logs", pod["metadata"]["name"], f"--tail={LINES}", "--follow")

    def read() -> None:
        if process.stdout is None:
            return
        with process.stdout as output:
            for line in output:
                said.put(f"[{_suffix(pod)}] {line.decode(errors='replace').rstrip()}")

    threading.Thread(target=read, daemon=True).start()
    return process


def _started(pod: Object) -> bool:
    statuses = pod["status"].get("containerStatuses", [])
    return any("running" in s["state"] or s.get("restartCount") for s in statuses)


def _age(pod: Object) -> tuple[str, str]:
    return pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]


def _suffix(pod: Object) -> str:
    return str(pod["metadata"]["name"].rsplit("-", 1)[-1])
