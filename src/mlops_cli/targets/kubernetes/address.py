"""Where a deployment is reached: from inside the cluster, or by a node's port."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from mlops_cli.targets.kubernetes.faults import ClusterFault
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import Object
from mlops_cli.targets.readiness import url_of

_LOOPBACK = "127.0.0.1"
_WITHIN = "kubernetes.default.svc"


def service_url(kubectl: Kubectl, service: Object) -> str:
    """The URL, with no slash at its end, of a live Service.

    For a NodePort a node's address, external before internal; where the API server itself is
    reached by loopback, the cluster is on this machine (kind, k3d, minikube) and so is the port.
    Otherwise, and from a pod of this cluster, the name by which pods reach it.
    """
    port = service["spec"]["ports"][0]
    if (node_port := port.get("nodePort")) and not is_inside(kubectl):
        return url_of(node_host(kubectl), node_port)
    metadata = service["metadata"]
    end = "" if port["port"] == 80 else f":{port['port']}"
    return f"http://{metadata['name']}.{metadata['namespace']}.svc{end}"


def is_inside(kubectl: Kubectl) -> bool:
    """Whether this process is in a pod of the cluster that `kubectl` asks, as a CronJob's is.

    Who runs in a pod of another one, as a CI job may, has a kubeconfig that names this one.
    """
    here = os.environ.get("KUBERNETES_SERVICE_HOST")  # every pod has it
    return here is not None and _server(kubectl) in (here, _WITHIN)


def is_outside(service: Object) -> bool:
    """Whether the Service may be reached from outside the cluster."""
    return bool(service["spec"]["ports"][0].get("nodePort"))


def node_host(kubectl: Kubectl) -> str:
    """Where a node is reached from here: its address, or loopback where the cluster is here."""
    server = _server(kubectl)
    if _is_loopback(server):
        return _LOOPBACK
    try:
        nodes = kubectl.items(["nodes"])
    except ClusterFault:  # nodes are not everybody's to read
        return server
    addresses = [a for n in nodes for a in n["status"].get("addresses", [])]
    for kind in ("ExternalIP", "InternalIP"):
        for address in addresses:
            if address["type"] == kind:
                return str(address["address"])
    return server


def _server(kubectl: Kubectl) -> str:
    """The API server's host; within a pod there is no kubeconfig, and no host to name."""
    try:
        found = kubectl.json("config", "view", "--minify")
        return urlsplit(found["clusters"][0]["cluster"]["server"]).hostname or _LOOPBACK
    except ClusterFault:
        return _WITHIN


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
