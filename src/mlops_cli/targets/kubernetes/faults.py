"""What kubectl says when it fails, as errors that say what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlops_cli.errors import EnvironmentFault

_LONGEST = 1000


class ClusterFault(EnvironmentFault):
    """The cluster, or the way to it, does not do what was asked; `kind` says why.

    The kinds are the rows of the table in docs/integrations/kubernetes.md. `said` is all that
    kubectl said, where it is longer than a message should be.
    """

    def __init__(self, kind: str, message: str, *, hint: str | None = None, said: str = "") -> None:
        super().__init__(message[:_LONGEST], hint=hint)
        self.kind = f"kubernetes-{kind}"
        self.said = said or message

    def after(self, said: str) -> ClusterFault:
        """The same with `said` before its message."""
        kind = self.kind.removeprefix("kubernetes-")
        return ClusterFault(kind, f"{said}: {self.message}", hint=self.hint)

    def has_kind(self, *kinds: str) -> bool:
        """Whether it is of one of these kinds, named without their prefix."""
        return self.kind.removeprefix("kubernetes-") in kinds


ABSENT = "absent"
UNREACHABLE = "unreachable"
CONTEXT = "context"
FORBIDDEN = "forbidden"
CONFLICT = "conflict"
REPLACED = "replaced"
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class _Row:
    """One kind of failure: how it is known, and what fixes it."""

    kind: str
    pattern: re.Pattern[str]
    says: str
    hint: str


def _row(kind: str, pattern: str, says: str, hint: str) -> _Row:
    return _Row(kind, re.compile(pattern), says, hint)


# The first that matches counts, so what is more exact stands higher.
_TABLE = (
    _row(
        CONTEXT,
        r"context was not found|cannot locate context|context \S+ does not exist",
        "the kubeconfig has no such context",
        "kubectl config get-contexts lists them; set deploy.kubernetes.context",
    ),
    _row(
        GATEWAY,
        r"[^\n]*(resource type \"(gatewayclasses|gateways|httproutes)\""
        r"|no matches for kind \"(Gateway|HTTPRoute)\")[^\n]*",
        "the cluster has no Gateway API",
        "install its v1 resources and a controller; or deploy.kubernetes.router: process",
    ),
    _row(
        "unauthorized",
        r"[^\n]*(\(Unauthorized\)|must be logged in|getting credentials|asked for the client)"
        r"[^\n]*",
        "the cluster does not know who you are",
        "log in to it again, as you do for kubectl",
    ),
    _row(
        "quota",
        r"exceeded quota[^\n]*",
        "the namespace's quota is used up",
        "kubectl describe quota; lower deploy.kubernetes.resources or replicas, or ask for more",
    ),
    _row(
        "security",
        r"violates PodSecurity[^\n]*",
        "the namespace's PodSecurity refuses the pod",
        "a policy above `restricted` is at work: ask who keeps the cluster",
    ),
    _row(
        FORBIDDEN,
        r"[^\n]*is forbidden:? User[^\n]*",
        "you may not do this in the cluster",
        "docs/integrations/kubernetes.md has the Role that a deploying user needs",
    ),
    _row(
        "namespace",
        r"namespaces \"?[^\s\"]+\"? not found",
        "the namespace is not there",
        "kubectl create namespace NAME, or set deploy.kubernetes.namespace",
    ),
    _row(
        "port",
        r"[^\n]*provided port is (already allocated|not in the valid range)[^\n]*",
        "the node port cannot be had",
        "choose another deploy.kubernetes.service.node_port, or none: the cluster chooses",
    ),
    _row(
        CONFLICT,
        r"Apply failed with \d+ conflict[^\n]*(\n- [^\n]*)*",
        "another manager sets the same fields",
        "let one of the two manage them: kubectl get -o yaml --show-managed-fields",
    ),
    _row(
        "manifest",
        r"[^\n]*(strict decoding error|field not declared in schema|is invalid:"
        r"|error validating|no matches for kind|ensure CRDs are installed)[^\n]*",
        "the cluster refuses the manifests",
        "Kubernetes 1.30 or later is needed; mlops deploy --render DIR shows them",
    ),
    _row(
        UNREACHABLE,
        r"[^\n]*(connection to the server|Unable to connect|connection refused|dial tcp|i/o timeout"
        r"|TLS handshake|deadline exceeded|Client\.Timeout|connection lost|connection reset|\bEOF\b"
        r"|ServiceUnavailable|unable to handle the request|apiserver not ready|etcdserver"
        r"|no route to host|no such host|shutting down)[^\n]*",
        "the cluster does not answer",
        "kubectl cluster-info; is the right cluster chosen (deploy.kubernetes.context)?",
    ),
)


def fault_of(said: str) -> ClusterFault:
    """The typed error that kubectl's standard error stands for; kind `cluster` where unknown."""
    lines = [line for line in said.splitlines() if line.strip() and "memcache.go" not in line]
    plain = "\n".join(line for line in lines if not line.startswith("Warning:"))
    for row in _TABLE:
        if found := row.pattern.search(plain):
            message = f"{row.says}: {_clean(found[0])}"
            return ClusterFault(row.kind, message, hint=row.hint, said=plain)
    return ClusterFault("cluster", f"kubectl failed: {_clean(plain)}")


def _clean(text: str) -> str:
    text = re.sub(
        r"^(error|Error from server( \(\w+\))?|Unable to connect to the server): ", "", text
    )
    return re.sub(r"\s+", " ", text).strip()[:600]
