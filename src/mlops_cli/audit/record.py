"""One entry for what a command decided: written, signed where that is asked, and copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.log import Copies, append
from mlops_cli.audit.signatures import git_key, sign
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError


def record(
    project: Project, draft: Draft, *, copies: Copies | None, key: Path | None = None
) -> Entry:
    """Append an entry to the project's audit log, as `audit.log.append` does.

    It is signed with `key`, or with `governance.signers` by the key that git signs with: where
    that one does not sign, what was done is still recorded, without a signature. Raises
    `UsageError` where `key` does not sign; nothing is recorded then.
    """
    return append(project.root, draft, copies=copies, sign=_signing(project, key))


def _signing(project: Project, key: Path | None) -> Callable[[bytes], str | None] | None:
    if key is not None:
        return lambda content: sign(content, str(key.absolute()))
    named = git_key(project.root) if project.config.governance.signers else None
    return (lambda content: _signed(content, named)) if named else None


def _signed(content: bytes, key: str) -> str | None:
    try:
        return sign(content, key)
    except MlopsError:
        return None
