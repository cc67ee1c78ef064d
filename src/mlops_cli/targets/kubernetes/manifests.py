"""The manifests of a deployment, from the templates and a few typed values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from mlops_cli._files import write_text
from mlops_cli._held import hold_fields, read_own
from mlops_cli._templates import is_own, render_yaml
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.errors import UsageError
from mlops_cli.serving import contract
from mlops_cli.serving.rollouts.traffic import CANDIDATE, CHAMPION, Arm
from mlops_cli.serving.tracing import ENDPOINTS
from mlops_cli.targets.kubernetes.naming import CANDIDATE as CANDIDATE_DIGEST
from mlops_cli.targets.kubernetes.naming import (
    DIGEST,
    PROJECT_NAME,
    ROUTER,
    candidate_name,
    control_name,
    keys_name,
    labels,
    object_name,
    pod_selector,
    rollout_name,
    version_labels,
)

LEAVE = 5  # seconds that a pod which was told to go answers on; kube-proxy hears of it in 1 or 2
# What a template of the project's own may say otherwise than ours.
FREE = frozenset(
    ("strategy", "minReadySeconds", "revisionHistoryLimit", "topologySpreadConstraints", "metrics",
     "behavior", "periodSeconds", "timeoutSeconds", "failureThreshold", "sizeLimit")
)  # fmt: skip
Object = dict[str, Any]
Key = tuple[str, str]  # kind and name
# In the order in which they are applied: what others need comes first.
KINDS = {
    "ServiceAccount": ("service-account", "serviceaccounts"),
    "NetworkPolicy": ("network-policy", "networkpolicies.networking.k8s.io"),
    "Service": ("service", "services"),
    "Deployment": ("deployment", "deployments.apps"),
    "PodDisruptionBudget": ("disruption-budget", "poddisruptionbudgets.policy"),
    "HorizontalPodAutoscaler": ("autoscaler", "horizontalpodautoscalers.autoscaling"),
    "Gateway": ("gateway", "gateways.gateway.networking.k8s.io"),
    "HTTPRoute": ("route", "httproutes.gateway.networking.k8s.io"),
}
ROUTED = ("Gateway", "HTTPRoute")  # of the Gateway API, which not every cluster has
PARTS = 10_000  # that a route's traffic is divided into


@dataclass(frozen=True, slots=True)
class Beside:
    """The candidate of a rollout in the pods of the champion: its digest, and its image."""

    digest: str
    image: str


@dataclass(frozen=True, slots=True)
class Spec:
    """What is to run: a project's bundle, by the image that serves it.

    `beside` is the candidate in the same pods. With the router `gateway` the candidate is a spec
    of its own, with `arm`, and `share` is what it gets, in percent; None: it is not there.
    """

    project: str
    digest: str
    image: str
    config: KubernetesConfig
    serve: Mapping[str, str] = field(default_factory=dict)  # variables of the server's settings
    own: Path | None = None  # the project's own templates
    secrets: tuple[str, ...] = ()  # keys of the Secret NAME-secrets
    beside: Beside | None = None
    arm: Arm = CHAMPION
    share: float | None = None

    @property
    def owner(self) -> str:
        """The project's name in the cluster: of each of its parts."""
        return object_name(self.project)

    @property
    def name(self) -> str:
        """What every object of it is called."""
        return candidate_name(self.owner) if self.arm == CANDIDATE else self.owner

    @property
    def routed(self) -> bool:
        """Whether a Gateway API route brings the traffic."""
        return self.config.router == "gateway"

    @property
    def scales(self) -> bool:
        """Whether the load decides how many pods there are."""
        return self.config.replicas.min < self.config.replicas.max

    @property
    def kinds(self) -> list[str]:
        """The kinds of its objects, in the order of `KINDS`: an autoscaler only beside no KEDA."""
        return [kind for kind in KINDS if self._has(kind)]

    def _has(self, kind: str) -> bool:
        if kind == "HorizontalPodAutoscaler":
            return self.scales and self.config.autoscaling.by == "cpu"
        if kind in ROUTED:
            gateway = self.config.gateway if self.routed and self.arm == CHAMPION else None
            return gateway is not None and (kind == "HTTPRoute" or gateway.name is None)
        return True


def key_of(thing: Object) -> Key:
    """What an object is told from others by, in its namespace."""
    return thing["kind"], thing["metadata"]["name"]


def manifests(spec: Spec) -> dict[str, str]:
    """The manifests as YAML, by their file's name, in the order in which they are applied."""
    values = values_of(spec)
    return {f"{KINDS[kind][0]}.yaml": manifest(kind, spec, values) for kind in spec.kinds}


def manifest(kind: str, spec: Spec, values: Mapping[str, Any]) -> str:
    """The manifest of one kind by these values, which are `values_of(spec)` or stand for them."""
    name = f"kubernetes/{KINDS[kind][0]}.yaml.j2"
    text = render_yaml(name, own=spec.own, **values)
    if is_own(spec.own, name):
        ours = read_own(name, render_yaml(name, **values))
        hold_fields(name, ours, read_own(name, text), free=FREE)
    return text


def objects(spec: Spec) -> dict[Key, Object]:
    """The same as data, by kind and name."""
    read = YAML(typ="safe", pure=True)
    found = [read.load(text) for text in manifests(spec).values()]
    return {key_of(thing): thing for thing in found}


def write_manifests(spec: Spec, folder: Path) -> list[Path]:
    """Write a file an object and a `kustomization.yaml` to `folder`; returns the files."""
    texts = manifests(spec)
    name = "kubernetes/kustomization.yaml.j2"
    kustomization = render_yaml(name, own=spec.own, files=list(texts))
    written = []
    for name, text in (texts | {"kustomization.yaml": kustomization}).items():
        write_text(folder / name, text)
        written.append(folder / name)
    return written


def _folder(spec: Spec, setting: str, secret: str) -> dict[str, str] | None:
    """A Secret and the folder where the server finds its file, if a setting names one."""
    file = spec.serve.get(setting)
    return {"secret": secret, "folder": str(Path(file).parent)} if file else None


def _called(spec: Spec) -> list[int]:
    """The ports of what the server calls: storage and tracing by the endpoint in the environment,
    where `deploy.secrets` hands it over, and Redis. Raises `UsageError` for an address of none."""

    def endpoint(names: Sequence[str]) -> tuple[str, str]:
        handed = ((n, os.environ.get(n)) for n in names if n in spec.secrets)
        return next(((n, value) for n, value in handed if value), (names[0], ""))

    stores = {"serve.cache": contract.CACHE, "features.online": contract.ONLINE}
    ports = []
    if contract.UPLOADED in spec.serve:
        ports.append(_port(*endpoint(contract.S3_ENDPOINTS), 443))
    for setting, variable in stores.items():
        url = spec.serve.get(variable, "")
        if url.startswith(contract.REDIS):
            ports.append(_port(setting, url, 6379))
    name, traces = endpoint(ENDPOINTS)
    if traces:
        ports.append(_port(name, traces, 443 if traces.startswith("https") else 80))
    return ports


def _port(setting: str, url: str, otherwise: int) -> int:
    try:
        return urlsplit(url).port or otherwise
    except ValueError as e:  # the address may hold a password: it is not shown
        raise UsageError(
            f"{setting} is no address with a port from 1 to 65535",
            hint="write it as SCHEME://HOST:PORT",
        ) from e


def _annotations(spec: Spec) -> dict[str, str]:
    found = {PROJECT_NAME: spec.project, DIGEST: spec.digest}
    found |= {CANDIDATE_DIGEST: spec.beside.digest} if spec.beside else {}
    return found | ({ROUTER: "gateway"} if spec.routed else {})


def _rollout(spec: Spec) -> dict[str, str] | None:
    """The ConfigMap of the rollout's documents and where it is mounted, for who obeys one."""
    if contract.ROLLOUT not in spec.serve:
        return None
    return {"map": rollout_name(spec.owner), "folder": contract.ROLLOUTS}


def _obeyed(spec: Spec) -> dict[str, str]:
    """Which document a server obeys: with the router `gateway` each arm has its own."""
    if contract.ROLLOUT not in spec.serve or not spec.routed:
        return {}
    return {contract.ROLLOUT: f"{contract.ROLLOUTS}/{spec.arm}.json"}


def _inside(service: Mapping[str, Any]) -> dict[str, Any]:
    """The Service of a candidate: the route alone brings it traffic."""
    return {**service, "type": "ClusterIP", "node_port": None}


def _backends(spec: Spec) -> list[dict[str, Any]]:
    port = spec.config.service.port
    if spec.share is None:
        return [{"name": spec.owner, "port": port, "weight": PARTS}]
    candidate = round(spec.share * PARTS / 100)
    shares = {spec.owner: PARTS - candidate, candidate_name(spec.owner): candidate}
    return [{"name": name, "port": port, "weight": weight} for name, weight in shares.items()]


def values_of(spec: Spec) -> dict[str, Any]:
    """What every template of a manifest gets, by name."""
    config = spec.config.model_dump()
    autoscaling = spec.config.autoscaling
    return {
        "name": spec.name,
        "namespace": config["namespace"],
        "labels": labels(spec.owner, spec.name),
        "version_labels": version_labels(spec.owner, spec.digest, spec.name),
        "selector": pod_selector(spec.name),
        "annotations": {PROJECT_NAME: spec.project},
        "version_annotations": _annotations(spec),
        "digest": ",".join([spec.digest, *([spec.beside.digest] if spec.beside else [])]),
        "beside": spec.beside,
        "model": contract.MODEL,
        "candidate": contract.CANDIDATE,
        "rollout": _rollout(spec),
        "settings": dict(spec.serve) | _obeyed(spec),
        "secrets": list(spec.secrets),
        "secret": f"{spec.owner}-secrets",
        "log": contract.LOG if contract.LOG_DIR in spec.serve else None,
        "grpc": int(grpc) if (grpc := spec.serve.get(contract.GRPC_PORT)) else None,
        "calls": _called(spec),
        "image": spec.image,
        # What `load` brought is on the nodes; a public registry may have a stranger of its name.
        "pull_policy": "Never" if spec.config.load else "IfNotPresent",
        "pull_secret": config["pull_secret"],
        "keys": _folder(spec, f"{contract.SETTINGS}KEYS", keys_name(spec.owner)),
        "control": _folder(spec, contract.CONTROL_FILE, control_name(spec.owner)),
        "service": config["service"] if spec.arm == CHAMPION else _inside(config["service"]),
        "gateway": config["gateway"],
        "backends": _backends(spec),
        "replicas": config["replicas"],
        "scales": spec.scales,
        "autoscaling": {
            "cpu": autoscaling.cpu,
            "scale_down_after": round(autoscaling.scale_down_after.total_seconds()),
        },
        "resources": config["resources"],
        "timeout": round(spec.config.timeout.total_seconds()),
        "user": contract.USER,
        "port": contract.PORT,
        "health": contract.HEALTH,
        "ready": contract.READY,
        "leave": LEAVE,
        "drain": contract.DRAIN,
    }
