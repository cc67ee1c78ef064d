"""Who may reach a deployment, and whether anything asks them who they are."""

from __future__ import annotations

import ipaddress

from mlops_cli.config.project import Project


def is_open(project: Project, target: str) -> bool:
    """Whether others than this machine can reach the port."""
    return target == "kubernetes" or not _is_loopback(project.config.deploy.host)


def exposed(project: Project, target: str) -> str | None:
    """What a port that others can reach lacks, as a line; None where it lacks nothing."""
    if not is_open(project, target):
        return None
    serve, lacks = project.config.serve, []
    if serve.keys is None:
        lacks.append("keys (serve.keys)")
    if serve.tls is None:
        on_its_own = "serve.tls, " if target == "local" else ""
        lacks.append(f"TLS ({on_its_own}unless an ingress or a proxy brings it)")
    if not lacks:
        return None
    where = "the cluster" if target == "kubernetes" else project.config.deploy.host
    return f"the port is open to others on {where} without {' and without '.join(lacks)}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
