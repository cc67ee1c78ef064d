"""The cluster that tests may use, on this machine or named by the environment; a load on it."""

from __future__ import annotations

import http.client
import ipaddress
import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from mlops_cli.config.sections.kubernetes import KubernetesConfig
from servers import ask

# Read before the tests take the home away.
_KUBECONFIG = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
_ALLOWED = os.environ.get("MLOPS_TEST_KUBERNETES")
_LOAD = os.environ.get("MLOPS_TEST_KUBERNETES_LOAD")
CLASS, PORT = "traefik", 18080  # of the Gateway API, on this machine


def kubectl(*command: str, given: str | None = None, namespace: str = "") -> str:
    """What kubectl prints; raises with what it said where it fails."""
    where = [f"--namespace={namespace}"] if namespace else []
    done = subprocess.run(
        ["kubectl", *where, *command],
        input=given,
        capture_output=True,
        encoding="utf-8",
        timeout=180,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"kubectl {' '.join(command)}: {done.stderr}")
    return done.stdout


def kubeconfig() -> str:
    """The kubeconfig's path; skips the test where no cluster is there that it may use.

    A cluster elsewhere may be somebody's production: only `MLOPS_TEST_KUBERNETES=1` allows it.
    """
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on the PATH")
    if not Path(_KUBECONFIG).is_file():
        pytest.skip(f"there is no kubeconfig at {_KUBECONFIG}")
    try:
        chosen = f"--kubeconfig={_KUBECONFIG}"
        config = yaml.safe_load(kubectl("config", "view", "--minify", chosen))
        host = urlsplit(config["clusters"][0]["cluster"]["server"]).hostname or ""
        if not (_ALLOWED or _is_here(host)):
            pytest.skip(f"{host} is not this machine; MLOPS_TEST_KUBERNETES=1 allows tests there")
        kubectl("get", "--raw", "/readyz", "--request-timeout=5s", chosen)
    except AssertionError as e:
        pytest.skip(f"the cluster of {_KUBECONFIG} does not answer: {str(e)[-200:]}")
    return _KUBECONFIG


def load_command() -> str:
    """How an image gets into the cluster, once; skips the test where that is not known."""
    once = Path(__file__).with_name("load_once.py")
    return shlex.join([sys.executable, str(once)]) + " {image} " + _load_command()


def small(namespace: str, replicas: int) -> KubernetesConfig:
    """A section for so many small pods in a namespace, reached at a node's port."""
    return KubernetesConfig.model_validate(
        {
            "namespace": namespace,
            "replicas": {"min": replicas, "max": replicas},
            "service": {"type": "NodePort"},
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
            "timeout": "3m",
            "load": load_command(),
        }
    )


def gateway(host: str, **others: Any) -> dict[str, Any]:
    """A section for a gateway that brings what asks for `host`; skips the test where none is."""
    try:
        kubectl("get", f"gatewayclasses.gateway.networking.k8s.io/{CLASS}")
    except AssertionError:
        pytest.skip(f"the cluster has no GatewayClass {CLASS}")
    return {"class": CLASS, "host": host, "port": PORT} | others


def _load_command() -> str:
    if _LOAD:
        return _LOAD
    context = kubectl("config", "current-context").strip()
    if context.startswith("kind-"):
        return f"kind load docker-image {{image}} --name {context.removeprefix('kind-')}"
    if context.startswith("k3d-"):
        return f"k3d image import {{image}} --cluster {context.removeprefix('k3d-')}"
    if context == "minikube":
        return "minikube image load {image}"
    pytest.skip(f"MLOPS_TEST_KUBERNETES_LOAD does not say how an image gets into {context}")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Load:
    """Requests without a pause, each on a connection of its own or all on one that is kept.

    `host` is the name that is asked for, where that is not the address.
    """

    def __init__(
        self,
        url: str,
        bodies: Sequence[bytes] = (b'{"kind": "a", "x": 1000}',),
        host: str | None = None,
    ) -> None:
        self._where = urlsplit(url).netloc
        self._bodies = bodies
        self._host = host
        self._over = threading.Event()
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._ask, args=(k,)) for k in (True, False)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, kept: bool) -> None:
        bodies = itertools.cycle(self._bodies)
        heard, connection = time.monotonic(), http.client.HTTPConnection(self._where, timeout=10)
        while not self._over.wait(0.02):
            if connection.sock is None:
                heard = time.monotonic()
            try:
                said = ask(connection, heard, "/v1/predict", next(bodies), self._host)
            except (OSError, http.client.HTTPException) as e:
                self.answers[repr(e)] += 1
                continue
            heard = time.monotonic()
            if said is None:
                continue
            answer, content = said
            answered = answer.status == 200  # what a gateway refuses by itself is no JSON
            self.answers[json.loads(content)["version"] if answered else str(answer.status)] += 1
            if not kept:
                connection.close()
        connection.close()


@contextmanager
def own_namespace(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One that asks `restricted`, gone afterwards; skips the test where there is no cluster."""
    cluster = kubeconfig()
    monkeypatch.setenv("KUBECONFIG", cluster)
    name = f"mlops-test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    kubectl("delete", "namespace", name, "--wait=false", f"--kubeconfig={cluster}")
