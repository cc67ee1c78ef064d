"""Whose is what: the objects of this project, and the fields of them that we set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mlops_cli.targets.kubernetes.faults import ClusterFault
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import KINDS, ROUTED, Key, Object, key_of
from mlops_cli.targets.kubernetes.naming import (
    MANAGED_BY,
    MANAGER,
    PROJECT,
    ROUTER,
    owned_selector,
)

_FILLED_BY_THE_SERVER = ("managedFields", "resourceVersion", "uid", "generation",
                         "creationTimestamp")  # fmt: skip


def ours(kubectl: Kubectl, name: str, *, routed: bool = False) -> dict[Key, Object]:
    """Every object of this project in the namespace, by kind and name.

    Those of the Gateway API are looked for with `routed`, and where a Deployment tells of them.
    """
    selector = f"--selector={owned_selector(name)}"
    plain = [resource for kind, (_, resource) in KINDS.items() if kind not in ROUTED]
    found = {key_of(thing): thing for thing in kubectl.items(plain, selector)}
    if routed or is_routed(found):
        more = kubectl.items([KINDS[kind][1] for kind in ROUTED], selector)
        found |= {key_of(thing): thing for thing in more}
    return found


def is_routed(things: Mapping[Key, Object]) -> bool:
    """Whether a Deployment among them says that a Gateway API route brings its traffic."""
    deployments = (thing for (kind, _), thing in things.items() if kind == "Deployment")
    return any(ROUTER in thing["metadata"].get("annotations", {}) for thing in deployments)


def refuse_foreign(kubectl: Kubectl, name: str, wanted: Iterable[Key]) -> None:
    """Raise `ClusterFault` where an object that we would write stands there and is not ours."""
    names = [f"{KINDS[kind][1]}/{thing}" for kind, thing in wanted]
    listed = kubectl.json("get", *names, "--ignore-not-found") if names else None
    for thing in listed.get("items", [listed]) if listed else []:
        labels = thing["metadata"].get("labels", {})
        if labels.get(MANAGED_BY) != MANAGER or labels.get(PROJECT) != name:
            kind, called = key_of(thing)
            raise ClusterFault(
                "foreign",
                f"{kind} {called} is in namespace {kubectl.namespace} already and is not ours "
                f"(no labels {MANAGED_BY}={MANAGER}, {PROJECT}={name})",
                hint="choose another deploy.kubernetes.namespace, or remove it yourself",
            )


def applied(thing: Object, *, manager: str = MANAGER) -> Object:
    """What `manager` applied of a live object: applying it again brings back just that.

    An object that the manager never applied is given whole, less what the server fills in.
    """
    entry = _entry(thing, manager)
    if entry is None:
        return cleaned(thing)
    owned: Object = _part(entry["fieldsV1"], thing)
    identity = {k: thing["metadata"][k] for k in ("name", "namespace")}
    metadata = owned.get("metadata", {}) | identity
    return owned | {
        "apiVersion": thing["apiVersion"],
        "kind": thing["kind"],
        "metadata": metadata,
    }


def owns(thing: Object, path: str, *, manager: str = MANAGER) -> bool:
    """Whether `manager` applied the field at `path` (`spec.replicas`) of a live object."""
    entry = _entry(thing, manager)
    fields: Any = entry["fieldsV1"] if entry else {}
    for part in path.split("."):
        fields = fields.get(f"f:{part}")
        if fields is None:
            return False
    return True


def cleaned(thing: Object) -> Object:
    """A live object less its status and what only the server fills in."""
    metadata = {k: v for k, v in thing["metadata"].items() if k not in _FILLED_BY_THE_SERVER}
    return {k: v for k, v in thing.items() if k != "status"} | {"metadata": metadata}


def _entry(thing: Object, manager: str) -> Mapping[str, Any] | None:
    for entry in thing["metadata"].get("managedFields", []):
        plain = "subresource" not in entry
        if plain and entry["manager"] == manager and entry["operation"] == "Apply":
            return dict(entry)
    return None


def _part(fields: Mapping[str, Any], live: Any) -> Any:
    """The part of `live` that a FieldsV1 names (structured-merge-diff's value form)."""
    if not fields:
        return live  # a leaf, or a whole that is set as one
    if isinstance(live, list):
        return [part for item in live if (part := _item(fields, item)) is not None]
    names = (name.removeprefix("f:") for name in fields if name.startswith("f:"))
    return {name: _part(fields[f"f:{name}"], live[name]) for name in names if name in live}


def _item(fields: Mapping[str, Any], item: Any) -> Any:
    for name, inner in fields.items():
        if name.startswith("v:") and msgspec.json.decode(name[2:]) == item:
            return item
        if name.startswith("k:") and isinstance(item, dict):
            key = msgspec.json.decode(name[2:])
            if all(item.get(k) == v for k, v in key.items()):
                return key | _part(inner, item)
    return None
