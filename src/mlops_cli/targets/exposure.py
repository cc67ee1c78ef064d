"""Who may reach a deployment, and whether anything asks them who they are."""

from __future__ import annotations

import ipaddress

from mlops_cli.config.project import Project


def exposed(project: Project, target: str) -> str | None:
    """What a port that others can reach lacks, as a line; None where only this machine can."""
    if target != "kubernetes" and _is_loopback(project.config.deploy.host):
        return None
    lacks = ["TLS (unless an ingress or a proxy brings it)"]
    if project.config.serve.keys is None:
        lacks.insert(0, "keys (serve.keys)")
    where = "the cluster" if target == "kubernetes" else project.config.deploy.host
    return f"the port is open to others on {where} without {' and without '.join(lacks)}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
