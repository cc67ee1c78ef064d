"""What a project's own template may not take away: it may add to ours, and no more than that."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mlops_cli.errors import UsageError

# Whoever sets one of these has taken away what keeps a server in its place.
_UNSAFE: Mapping[str, Any] = {
    "hostNetwork": True,
    "hostPID": True,
    "hostIPC": True,
    "privileged": True,
    "allowPrivilegeEscalation": True,
    "automountServiceAccountToken": True,
    "runAsNonRoot": False,
    "runAsUser": 0,
    "user": "root",
    "network_mode": "host",
    "pid": "host",
    "ipc": "host",
}
_NEVER = ("hostPath", "cap_add")
_CONTAINERS = ("containers", "initContainers")


def hold_fields(file: str, ours: Any, own: Any, *, free: Container[str] = ()) -> None:
    """Raise `UsageError` where `own` lacks or changes a field of `ours`, or opens a way out.

    Fields called as in `free` may differ. Lists of named things are told apart by name.
    """
    for path in _lacking(ours, own, free, ()):
        raise _refused(file, f"{'.'.join(path)} is not what the template of mlops-cli has")
    for path in _unsafe(own, (), _containers_of(ours)):
        raise _refused(file, f"{'.'.join(path)} is not allowed")


def read_own(file: str, text: str) -> Any:
    """The one YAML document of a rendered template; raises `UsageError` where it is none."""
    try:
        found = YAML(typ="safe", pure=True).load(text)
    except YAMLError as e:
        raise _refused(file, f"what it makes is no YAML: {' '.join(str(e).split())[:300]}") from e
    if not isinstance(found, Mapping):
        raise _refused(file, "what it makes is no mapping")
    return found


def hold_lines(file: str, ours: Sequence[str], own: Sequence[str]) -> None:
    """Raise `UsageError` where a line of `ours` is missing in `own`."""
    for line in ours:
        if line not in own:
            raise _refused(file, f"the line `{line[:120]}` is missing")


def plain_lines(text: str) -> list[str]:
    """The lines without comments, each with its continuations, blanks made one."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [" ".join(line.split()) for line in joined.splitlines() if line.strip()]


def _lacking(
    ours: Any, own: Any, free: Container[str], path: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    if isinstance(ours, Mapping) and isinstance(own, Mapping):
        for key, value in ours.items():
            if key not in free:
                yield from _lacking(value, own.get(key), free, (*path, str(key)))
    elif _is_named(ours) and _is_named(own):
        named = {thing["name"]: thing for thing in own}
        for thing in ours:
            name = thing["name"]
            yield from _lacking(thing, named.get(name), free, (*path, str(name)))
    elif ours != own:
        yield path


def _is_named(value: Any) -> bool:
    listed = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    return listed and all(isinstance(v, Mapping) and "name" in v for v in value)


def _unsafe(own: Any, path: tuple[str, ...], known: Container[str]) -> Iterator[tuple[str, ...]]:
    if isinstance(own, Mapping):
        for key, value in own.items():
            here = (*path, str(key))
            wrong = key in _UNSAFE and str(value) == str(_UNSAFE[key])
            if wrong or key in _NEVER or (key == "add" and path[-1:] == ("capabilities",)):
                yield here
            if key in _CONTAINERS and isinstance(value, Sequence):
                yield from _unconfined(value, here, known)
            yield from _unsafe(value, here, known)
    elif isinstance(own, Sequence) and not isinstance(own, str):
        for i, value in enumerate(own):
            yield from _unsafe(value, (*path, str(i)), known)


def _containers_of(ours: Any) -> set[str]:
    """The names of the containers that our template has itself."""
    if isinstance(ours, Mapping):
        own = {c["name"] for kind in _CONTAINERS for c in ours.get(kind) or ()}
        return own.union(*map(_containers_of, ours.values()))
    return set()


def _unconfined(
    containers: Sequence[Any], path: tuple[str, ...], known: Container[str]
) -> Iterator[tuple[str, ...]]:
    """A further container has what ours has: no privileges, and an image that is pinned."""
    for container in containers:
        if not isinstance(container, Mapping) or container.get("name") in known:
            continue
        here = (*path, str(container.get("name")))
        if "@sha256:" not in str(container.get("image")):
            yield (*here, "image without a digest (@sha256:...)")
        rights = container.get("securityContext") or {}
        if rights.get("allowPrivilegeEscalation") is not False:
            yield (*here, "securityContext without allowPrivilegeEscalation: false")
        if (rights.get("capabilities") or {}).get("drop") != ["ALL"]:
            yield (*here, "securityContext without capabilities: {drop: [ALL]}")


def _refused(file: str, why: str) -> UsageError:
    return UsageError(
        f"templates/{file}: {why}",
        hint="a template of your own may add to ours (docs/guides/templates.md of mlops-cli)",
    )
