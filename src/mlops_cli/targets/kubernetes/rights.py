"""What a tick of a rollout, and monitoring, may do in the namespace: rules of a Role each."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlops_cli.targets.kubernetes.naming import (
    candidate_name,
    control_name,
    counts_name,
    rollout_name,
)

_READ = ("get", "list", "watch")
_GATEWAY = "gateway.networking.k8s.io"
_PARTS = {
    "": ("services", "serviceaccounts"),
    "apps": ("deployments",),
    "networking.k8s.io": ("networkpolicies",),
    "policy": ("poddisruptionbudgets",),
    "autoscaling": ("horizontalpodautoscalers",),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a Role; with `names` of those objects alone."""

    group: str
    resources: list[str]
    verbs: list[str]
    names: list[str] = field(default_factory=list)


_EXEC = Rule("", ["pods/exec"], ["create", "get"])


def collect_rights() -> list[Rule]:
    """The rules for bringing home the prediction log: to find the pods, and to read in them.

    Kubernetes cannot say in whose pods: `pods/exec` is for every pod of the namespace.
    """
    return [Rule("", ["pods"], list(_READ)), _EXEC]


def tick_rights(name: str, *, routed: bool, logged: bool) -> list[Rule]:
    """The rules for the deployment `name`; `logged`: the judge reads the pods' prediction log."""
    maps = [rollout_name(name), counts_name(name)]
    rules = [
        Rule("", ["configmaps"], ["get", "update", "patch"], maps),
        Rule("", ["configmaps"], ["create"]),  # of one that somebody deleted
        Rule("", ["secrets"], ["get"], [control_name(name)]),
        Rule("", ["pods", "events"], list(_READ)),
        Rule("apps", ["replicasets"], list(_READ)),
        *(Rule(group, list(kinds), list(_READ)) for group, kinds in _PARTS.items()),
        Rule("apps", ["deployments"], ["patch"], [name]),  # the end
    ]
    if routed:
        candidate = [candidate_name(name)]
        rules += [
            Rule(_GATEWAY, ["gateways", "httproutes"], list(_READ)),
            Rule(_GATEWAY, ["httproutes"], ["patch"], [name]),
            *(Rule(group, list(kinds), ["delete"], candidate) for group, kinds in _PARTS.items()),
        ]
    if logged:
        rules.append(_EXEC)
    return rules
