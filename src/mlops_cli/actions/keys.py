"""The command `keys`: the API keys of a server, on the target where it answers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from mlops_cli._locks import locked
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.record import record
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.serving.auth import SCOPES, Key, KeyScope, digest_of_key, format_keys, parse_keys
from mlops_cli.targets import open_target
from mlops_cli.targets.base import KeepsKeys
from mlops_cli.tracking import open_tracker

Action = Literal["add", "list", "revoke"]
PREFIX = "mlops_"  # by which a key is known for one, also by who scans for secrets
_BYTES = 32  # of a key: 256 bits
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What is known of a key; `expired` is whether its time is over. Times are in UTC."""

    name: str
    scopes: tuple[str, ...]
    created: datetime
    expires: datetime | None
    expired: bool


@dataclass(frozen=True, slots=True)
class KeysResult:
    """The keys of `target`; `key` is the one that was added, which nobody can show again."""

    target: str
    keys: tuple[KeyEntry, ...]
    key: str | None = None


def keys(
    project: Project,
    action: Action = "list",
    name: str | None = None,
    *,
    scopes: Sequence[str] = ("predict",),
    expires: timedelta | None = None,
    target: str | None = None,
) -> KeysResult:
    """List the API keys of `target` (by default the configuration's), add one or revoke one.

    A running server obeys within seconds. `expires` is how long a new key is good for. Both
    changes are recorded in the audit log. Raises `UsageError` where `serve.keys` names no file, a
    name is taken, not known or none, or a scope is unknown.
    """
    place_name = target or project.config.deploy.target
    place = _place(project, place_name)
    if action == "list":
        return _result(place_name, _read(place))
    if name is None or not re.fullmatch(_NAME, name):
        raise UsageError(
            f"{name!r} is not a name of a key" if name else "the key has no name",
            hint=f"mlops keys {action} NAME, of letters, digits and ._-",
        )
    key = f"{PREFIX}{secrets.token_urlsafe(_BYTES)}" if action == "add" else None
    with _alone(project):
        known = _read(place)
        if key is not None:
            kept = _added(known, _new(name, key, scopes, expires))
        else:
            kept = _without(known, name)
        place.keep_keys(format_keys(kept))
    change = "added" if key else "revoked"
    subject = {"target": place_name, "key": name, "change": change}
    if key:
        subject["scopes"] = ",".join(scopes)
    record(project, Draft("keys", "done", subject), copies=open_tracker(project))
    return _result(place_name, kept, key)


def _place(project: Project, name: str) -> KeepsKeys:
    if project.config.serve.keys is None:
        raise UsageError(
            "the server asks for no keys: serve.keys in mlops.yaml names no file",
            hint="serve: {keys: secrets/keys}",
        )
    place = open_target(name, project)
    if not isinstance(place, KeepsKeys):
        raise UsageError(f"the target {name} keeps no keys", hint="choose another with --target")
    return place


def _read(place: KeepsKeys) -> list[Key]:
    try:
        return parse_keys(place.keys() or b"")
    except ValueError as e:
        raise UsageError(f"the file of keys cannot be read: {e}", hint="correct that line") from e


def _new(name: str, key: str, scopes: Sequence[str], expires: timedelta | None) -> Key:
    good: list[KeyScope] = [scope for scope in SCOPES if scope in scopes]
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise UsageError(f"{unknown[0]!r} is no scope", hint=f"one or more of {', '.join(SCOPES)}")
    if not good:
        raise UsageError("a key without a scope is good for nothing", hint="--scope predict")
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + expires if expires is not None else None
    return Key(name, digest_of_key(key.encode()), tuple(good), now, until)


def _added(known: list[Key], new: Key) -> list[Key]:
    if any(key.name == new.name for key in known):
        raise UsageError(
            f"there is a key {new.name} already, and a key cannot be shown again",
            hint=f"choose another name, or first `mlops keys revoke {new.name}`",
        )
    return sorted([*known, new], key=lambda key: key.name)


def _without(known: list[Key], name: str) -> list[Key]:
    kept = [key for key in known if key.name != name]
    if len(kept) == len(known):
        names = ", ".join(key.name for key in known) or "there are none"
        raise UsageError(f"there is no key {name}", hint=f"the keys: {names}")
    return kept


def _alone(project: Project) -> AbstractContextManager[None]:
    otherwise = EnvironmentFault("the keys are being changed by another command", hint="wait")
    return locked(project.cache / "keys.lock", otherwise=otherwise, seconds=_LOCK_SECONDS)


def _result(target: str, known: list[Key], key: str | None = None) -> KeysResult:
    now = datetime.now(UTC).timestamp()
    entries = (KeyEntry(k.name, k.scopes, k.created, k.expires, k.over(now)) for k in known)
    return KeysResult(target, tuple(entries), key)
