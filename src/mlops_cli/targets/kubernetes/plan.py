"""What a deploy would change, by the server's own word: its dry run against what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mlops_cli.targets.base import Change
from mlops_cli.targets.kubernetes.manifests import Key, Object
from mlops_cli.targets.kubernetes.ownership import cleaned

_LONGEST = 300


def changes(
    live: Mapping[Key, Object], wanted: Mapping[Key, Object], *, scales: bool
) -> list[Change]:
    """From `live` (ours, as it stands) to `wanted` (the server's dry run of what we would apply).

    How many pods there are is no change of ours where the load decides (`scales`).
    """
    found = [_change(key, live.get(key), thing, scales) for key, thing in wanted.items()]
    gone = [Change("delete", kind, name) for kind, name in live if (kind, name) not in wanted]
    return [change for change in found if change is not None] + gone


def _change(key: Key, old: Object | None, new: Object, scales: bool) -> Change | None:
    kind, name = key
    if old is None:
        return Change("create", kind, name, _summary(new))
    lines = _difference(dict(_leaves(cleaned(old))), dict(_leaves(cleaned(new))))
    ignored = ("spec.replicas:",) if scales and kind == "Deployment" else ()
    lines = [line for line in lines if not line[2:].startswith(ignored)] if ignored else lines
    return Change("update", kind, name, "\n".join(lines)) if lines else None


def _summary(thing: Object) -> str:
    if thing["kind"] != "Deployment":
        return ""
    return f"image {thing['spec']['template']['spec']['containers'][0]['image']}"


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    lines = []
    for path in dict.fromkeys([*old, *new]):
        if old.get(path) != new.get(path):
            lines += [f"- {path}: {old[path]}"] if path in old else []
            lines += [f"+ {path}: {new[path]}"] if path in new else []
    return lines


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            named = inner.get("name", number) if isinstance(inner, dict) else number
            yield from _leaves(inner, f"{path}[{named}]")
    else:
        yield path, msgspec.json.encode(value).decode()[:_LONGEST]
