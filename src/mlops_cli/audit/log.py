"""The audit log's file, `governance/audit.jsonl`: appended, never rewritten, and in git."""

from __future__ import annotations

import errno
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from mlops_cli._files import write_bytes
from mlops_cli._git import author
from mlops_cli._locks import locked
from mlops_cli.audit.entry import Draft, Entry, parse, seal
from mlops_cli.audit.graph import heads
from mlops_cli.audit.takeover import taken_over
from mlops_cli.config.paths import AUDIT_LOG, CACHE
from mlops_cli.errors import EnvironmentFault

_LOCK_SECONDS = 120.0
_NO_WORK_TREE = (errno.EROFS, errno.EACCES, errno.EPERM)
REPAIR = "`mlops audit --repair`"


class Copies(Protocol):
    """Where entries are kept a second time: the registry. May raise `EnvironmentFault`."""

    def audit_lines(self) -> Mapping[str, str] | None:
        """Every line by its entry's id; None where there is no place for them yet."""

    def keep_audit_line(self, entry: str, line: str) -> None:
        """Keep a line under its entry's id; nothing where there is no place for it yet."""


@dataclass(frozen=True, slots=True)
class Log:
    """What the file holds: its valid entries by id, and what is wrong with the other lines.

    `whole` is how many bytes its complete lines have; behind them stands what a killed process
    left of its last line.
    """

    entries: Mapping[str, Entry]
    faults: tuple[str, ...] = ()
    whole: int = 0


def read_log(root: Path) -> Log:
    """The log of the project in `root`; one that does not exist yet is empty."""
    try:
        text = (root / AUDIT_LOG).read_bytes()
    except FileNotFoundError:
        return Log({})
    *lines, rest = text.split(b"\n")
    whole = len(text) - len(rest)
    entries: dict[str, Entry] = {}
    faults = []
    for number, line in enumerate(lines, 1):
        try:
            entry = parse(line)
            entries[entry.id] = entry
        except ValueError as e:
            what = f"a mark of a merge; {REPAIR} resolves it" if _is_mark(line) else e
            faults.append(f"line {number}: {what}")
    try:  # killed between the last line and its newline
        entry = parse(rest)
        entries[entry.id], whole = entry, len(text)
    except ValueError:
        pass
    return Log(entries, tuple(faults), whole)


def known_entries(root: Path) -> dict[str, Entry]:
    """The entries of the log, and what it has yet to take over of an earlier release's file."""
    entries = dict(read_log(root).entries)
    return entries | {e.id: e for e in taken_over(root, entries)}


def every_entry(root: Path, copies: Copies | None) -> dict[str, Entry]:
    """`known_entries`, and the valid ones that the copies have; the file stays as it is."""
    entries = known_entries(root)
    new = _lacking(entries, (_copied(copies) or {}).values())
    return entries | {e.id: e for e in new}


def _now() -> datetime:
    return datetime.now(UTC)


def append(
    root: Path,
    draft: Draft,
    *,
    copies: Copies | None,
    clock: Callable[[], datetime] = _now,
    sign: Callable[[bytes], str | None] | None = None,
) -> Entry:
    """Append an entry to the log of the project in `root`, and to its copies.

    What an earlier release recorded, and what the copies have and the file lacks, comes first.
    Any number of processes may append at once. A registry that does not answer is no fault: the
    next entry brings it what it lacks. Where the file cannot be written, the entry goes to the
    copies alone. `sign` makes the entry's signature of its content.
    """
    known = _copied(copies)
    seal_after = partial(seal, draft, time=clock(), actor=author(root), sign=sign)
    try:
        with _alone(root):
            log = read_log(root)
            entries = dict(log.entries)
            new = taken_over(root, entries)
            entries |= {e.id: e for e in new}
            taken_in = _lacking(entries, (known or {}).values())
            entries |= {e.id: e for e in taken_in}
            entry = seal_after(parents=heads(entries))
            _write(root / AUDIT_LOG, log, [*new, *taken_in, entry])
    except OSError as e:
        if known is None or copies is None or e.errno not in _NO_WORK_TREE:
            raise
        entry = seal_after(parents=heads(every_entry(root, copies)))
        copies.keep_audit_line(entry.id, entry.line)
        return entry
    if known is not None and copies is not None:
        _copy(copies, [e for i, e in (entries | {entry.id: entry}).items() if i not in known])
    return entry


def pull(root: Path, copies: Copies) -> int:
    """Take in the entries that the copies have and the file lacks; how many those were."""
    lines = copies.audit_lines() or {}
    with _alone(root):
        log = read_log(root)
        new = _lacking(log.entries, lines.values())
        if new:
            _write(root / AUDIT_LOG, log, new)
    return len(new)


def repair(root: Path) -> int:
    """Resolve what git could not merge: every line of both sides stays, once; how many marks went.

    A line that is neither an entry nor a mark of git's stays as it is: it is a fault.
    """
    with _alone(root):
        try:
            text = (root / AUDIT_LOG).read_bytes()
        except FileNotFoundError:
            return 0
        lines = text.split(b"\n")
        kept = [line for line in lines if not _is_mark(line)]
        if len(kept) < len(lines):
            whole = dict.fromkeys(line for line in kept if line)
            write_bytes(root / AUDIT_LOG, b"".join(line + b"\n" for line in whole))
    return len(lines) - len(kept)


def _is_mark(line: bytes) -> bool:
    return re.fullmatch(rb"(<{7}|\|{7}|={7}|>{7})( .*)?\r?", line) is not None


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    file = root / CACHE / "audit.lock"
    otherwise = EnvironmentFault(
        f"another process has held {file} for {_LOCK_SECONDS:.0f} s", hint="wait for it, or end it"
    )
    with locked(file, otherwise=otherwise, seconds=_LOCK_SECONDS):
        yield


def _copied(copies: Copies | None) -> Mapping[str, str] | None:
    try:
        return copies.audit_lines() if copies is not None else None
    except EnvironmentFault:
        return None


def _copy(copies: Copies, entries: Iterable[Entry]) -> None:
    try:
        for entry in entries:
            copies.keep_audit_line(entry.id, entry.line)
    except EnvironmentFault:
        return


def _lacking(entries: Mapping[str, Entry], lines: Iterable[str]) -> list[Entry]:
    """The valid entries among the lines that are not known, as far as their parents are there."""
    found: dict[str, Entry] = {}
    for line in lines:
        try:
            entry = parse(line.encode())
        except ValueError:  # `mlops audit --verify` names it
            continue
        if entry.id not in entries:
            found[entry.id] = entry
    waiting: dict[str, set[str]] = {}  # by an entry's parent that is not here yet
    for i, entry in found.items():
        for parent in entry.parents:
            if parent not in entries:
                waiting.setdefault(parent, set()).add(i)
    lost = deque(parent for parent in waiting if parent not in found)
    while lost:
        for i in waiting.get(lost.popleft(), ()):
            if found.pop(i, None) is not None:
                lost.append(i)
    return list(found.values())


def _write(file: Path, log: Log, entries: Iterable[Entry]) -> None:
    """Append in one write, behind the last complete line: what a kill left of one goes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = b"".join(e.line.encode() + b"\n" for e in entries)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(descriptor, log.whole)
        if log.whole and os.pread(descriptor, 1, log.whole - 1) != b"\n":
            text = b"\n" + text
        os.lseek(descriptor, 0, os.SEEK_END)
        while text:
            text = text[os.write(descriptor, text) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
