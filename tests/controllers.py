"""Other projects' kinds on the cluster of the tests, and Argo Rollouts' controller beside it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import crds
from clusters import kubectl
from mlops_cli._files import write_text
from servers import free_port

_CONTROLLER = os.environ.get("MLOPS_ARGO_ROLLOUTS")


@contextmanager
def kinds(*names: str) -> Iterator[None]:
    """The cluster knows these kinds; those that it did not know before, it forgets afterwards."""
    wanted = {crd["metadata"]["name"]: crd for crd in map(crds.crd, names)}
    there = kubectl("get", "crd", "-o", "name").split()
    new = {n: c for n, c in wanted.items() if f"customresourcedefinition.apiextensions.k8s.io/{n}"
           not in there}  # fmt: skip
    if new:
        kubectl("create", "-f", "-", given=yaml.safe_dump_all(new.values()))
    try:
        for name in new:
            kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")
        yield
    finally:
        if new:
            kubectl("delete", "crd", *new, "--wait=false")


def refused(text: str, namespace: str) -> str:
    """What the API server says against YAML, by its strictest check; empty where nothing."""
    try:
        kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", given=text,
                namespace=namespace)  # fmt: skip
    except AssertionError as e:
        return str(e)
    return ""


@contextmanager
def argo_rollouts(namespace: str, folder: Path) -> Iterator[None]:
    """Its controller, beside the cluster; skips the test where there is none."""
    if not _CONTROLLER:
        pytest.skip("MLOPS_ARGO_ROLLOUTS does not name Argo Rollouts' controller")
    ports = [f"--healthzPort={free_port()}", f"--metricsPort={free_port()}"]
    command = [_CONTROLLER, "--namespaced", "-n", namespace, "--leader-elect=false", *ports]
    command += [f"--kubeconfig={os.environ['KUBECONFIG']}"]
    with _beside(command, folder / "controller.log"):
        yield


@contextmanager
def prometheus(config: Mapping[str, Any], port: int, folder: Path) -> Iterator[None]:
    """Debian's Prometheus at a port, with a configuration that knows the cluster by its file."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    command = ["prometheus", f"--config.file={folder}/prometheus.yml",
               f"--storage.tsdb.path={folder}/data",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    with _beside(command, folder / "prometheus.log"):
        yield


@contextmanager
def _beside(command: list[str], output: Path) -> Iterator[None]:
    with output.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


@contextmanager
def followed(namespace: str, file: Path) -> Iterator[None]:
    """The pods of the namespace stand in a file as Prometheus' own discovery would tell them."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(1):
            pods = json.loads(kubectl("get", "pods", "-o", "json", namespace=namespace))["items"]
            found = [_discovered(pod) for pod in pods if pod["status"].get("podIP")]
            write_text(file, json.dumps(found))

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _discovered(pod: Mapping[str, Any]) -> dict[str, Any]:
    meta = "__meta_kubernetes_pod"
    labels = {f"{meta}_name": pod["metadata"]["name"], f"{meta}_container_port_name": "http"}
    return {"targets": [f"{pod['status']['podIP']}:8000"], "labels": labels}


def until(seen: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    """Wait until it is so; fail with what there is instead."""
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, what()
        time.sleep(1)
