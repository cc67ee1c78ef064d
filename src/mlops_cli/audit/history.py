"""What was asked of the targets and what came of it: a line each, appended and never rewritten."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from mlops_cli import _git

HISTORY = "deployments/history.jsonl"
_REASON_LIMIT = 500


class Event(msgspec.Struct, frozen=True):
    """One line: an action on a target, its outcome, and the reason where it is not done.

    After a failure what answered before answers still; after an interrupt only the target knows.
    """

    action: Literal["deploy", "stop"]
    target: str
    outcome: Literal["done", "failed", "interrupted"]
    digest: str | None = None
    url: str | None = None
    reason: str | None = None


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def record(root: Path, event: Event, *, clock: Callable[[], datetime] = _now) -> None:
    """Append `event` to the history of the project in `root`, with time (UTC), user and host."""
    if event.reason is not None:
        event = msgspec.structs.replace(event, reason=event.reason[:_REASON_LIMIT])
    file = root / HISTORY
    file.parent.mkdir(parents=True, exist_ok=True)
    when = {"time": clock(), "by": _user(root), "host": socket.gethostname()}
    line = msgspec.json.encode(when | msgspec.structs.asdict(event))
    # One write to a file opened for appending: two commands at a time do not mix their lines.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line + b"\n")
    finally:
        os.close(descriptor)


def deployed_on(root: Path) -> list[str]:
    """The targets where, by the history, something may be deployed; sorted."""
    try:
        lines = (root / HISTORY).read_bytes().splitlines()
    except OSError:
        return []
    there: set[str] = set()
    for line in lines:
        try:
            event = msgspec.json.decode(line, type=Event)
        except msgspec.DecodeError:  # two branches were merged badly: git's marks
            continue
        if event.action == "deploy" and event.outcome != "failed":
            there.add(event.target)
        elif event.action == "stop" and event.outcome == "done":
            there.discard(event.target)
    return sorted(there)


def _user(root: Path) -> str:
    """Who git says it is, since the history lives in git; else the name of the login."""
    if name := _git.setting(root, "user.email"):
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a numeric user without a name, as in a container
        return str(os.getuid())
