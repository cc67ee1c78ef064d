"""What the tests of the audit log share: a project's folder, a registry in memory, git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.log import append
from mlops_cli.errors import EnvironmentFault

LOG = "governance/audit.jsonl"


class Shelf:
    """Copies as a registry keeps them; `away` while it does not answer."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}
        self.away = False

    def audit_lines(self) -> dict[str, str]:
        if self.away:
            raise EnvironmentFault("away")
        return dict(self.lines)

    def keep_audit_line(self, entry: str, line: str) -> None:
        if self.away:
            raise EnvironmentFault("away")
        self.lines[entry] = line


def note(root: Path, target: str = "local", copies: Shelf | None = None, **more: str) -> Entry:
    return append(root, Draft("deploy", "done", {"target": target, **more}), copies=copies)


def git(root: Path, *command: str) -> str:
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    done = subprocess.run(
        ["git", *who, *command], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout


def commit(root: Path, message: str = "work") -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", message, "--allow-empty")


def two_branches(root: Path) -> tuple[Entry, Entry]:
    """A repository on main whose branch `side` has an entry, too: those of main and of side."""
    git(root, "init", "-q", "-b", "main")
    (root / ".gitignore").write_text(".mlops/\n")
    note(root)
    commit(root)
    git(root, "checkout", "-qb", "side")
    theirs = note(root, "docker")
    commit(root)
    git(root, "checkout", "-q", "main")
    ours = note(root, "kubernetes")
    commit(root)
    return ours, theirs
