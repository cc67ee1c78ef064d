"""One entry of the audit log: its canonical line, and the id that covers it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from mlops_cli.redaction import redact

Action = Literal[
    "register", "reject", "approve", "promote", "deploy", "stop", "rollout", "rollback",
    "retrain", "contract", "feature", "keys", "import", "erase", "export", "ab",
]  # fmt: skip
Outcome = Literal["done", "failed", "refused", "interrupted"]
REASON_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Draft:
    """What happened: an action, what came of it, to what, and why.

    `subject` names things by text, such as `digest` (64 hex digits) and `target`; `evidence` is
    the digest of each thing that was looked at.
    """

    action: Action
    outcome: Outcome
    subject: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the log; `parents` are all entries that had no child when it was written."""

    id: str
    parents: tuple[str, ...]
    time: str
    actor: str
    action: Action
    outcome: Outcome
    subject: dict[str, str]
    reason: str | None
    evidence: dict[str, str]
    signature: str | None

    @property
    def line(self) -> str:
        """The canonical text, without the newline."""
        return _canonical(msgspec.to_builtins(self))

    @property
    def signed_content(self) -> bytes:
        """What a signature signs: the canonical line without `id` and `signature`."""
        return _signed_content(msgspec.to_builtins(self))


def seal(
    draft: Draft,
    *,
    parents: tuple[str, ...],
    time: datetime,
    actor: str,
    sign: Callable[[bytes], str | None] | None = None,
) -> Entry:
    """The entry of a draft; secrets are taken out of it, and the reason is cut.

    `sign` makes the signature, a text, of the content that it is given.
    """
    content: dict[str, Any] = {
        "parents": sorted(parents),
        "time": f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "actor": _text(actor),
        "action": draft.action,
        "outcome": draft.outcome,
        "subject": {key: _text(value) for key, value in draft.subject.items()},
        "reason": _text(draft.reason)[:REASON_LIMIT] if draft.reason else None,
        "evidence": dict(draft.evidence),
        "signature": None,
    }
    if sign is not None:
        content["signature"] = sign(_signed_content(content))
    return msgspec.convert(content | {"id": _id(content)}, Entry)


def parse(line: bytes) -> Entry:
    """The entry of a line without its newline; ValueError says what is wrong with it."""
    try:
        content = json.loads(line.decode("utf-8"))
        entry = msgspec.convert(content, Entry)
    except (ValueError, RecursionError, msgspec.ValidationError) as e:
        raise ValueError("it is not an entry") from e
    if entry.line.encode() != line:
        raise ValueError(f"the entry {entry.id[:12]} is not in its canonical form")
    if _id({key: value for key, value in content.items() if key != "id"}) != entry.id:
        raise ValueError(f"the entry {entry.id[:12]} is not what its id says")
    return entry


def _id(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _signed_content(content: Mapping[str, Any]) -> bytes:
    kept = {key: value for key, value in content.items() if key not in ("id", "signature")}
    return _canonical(kept).encode()


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _text(value: str) -> str:
    return redact(value).encode("utf-8", "replace").decode()
