"""What a decision rests on, by digest."""

from __future__ import annotations

import hashlib

from mlops_cli._files import sha256_of
from mlops_cli._git import commit_at
from mlops_cli.config.paths import DECISION, DVC_LOCK
from mlops_cli.config.project import Project


def evidence(project: Project) -> dict[str, str]:
    """Digests of what a decision rests on: the data by `dvc.lock`, contracts, code, decision."""
    root = project.root
    contracts = hashlib.sha256()
    for path in sorted(project.contracts.values()):
        if (root / path).is_file():
            contracts.update(f"{path} {sha256_of(root / path)}\n".encode())
    files = {"decision": DECISION, "data": DVC_LOCK}
    found = {k: sha256_of(root / f) for k, f in files.items() if (root / f).is_file()}
    code = commit_at(root, "HEAD")
    return found | {"contracts": contracts.hexdigest()} | ({"code": code} if code else {})
