"""What a decision rests on, by digest."""

from __future__ import annotations

import hashlib

from mlops_cli._files import sha256_of
from mlops_cli._git import commit_at
from mlops_cli.bundle.manifest import REQUIREMENTS
from mlops_cli.config.paths import DECISION, DVC_LOCK, MODEL
from mlops_cli.config.project import Project
from mlops_cli.governance.sources import inputs_digest


def evidence(project: Project) -> dict[str, str]:
    """Digests of what a decision rests on: the data by `dvc.lock`, contracts, code, decision.

    And the packages that the model was trained with, and `inputs`, which names all that it was
    made from, whatever it was compared with.
    """
    root = project.root
    contracts = hashlib.sha256()
    for path in sorted(project.contracts.values()):
        if (root / path).is_file():
            contracts.update(f"{path} {sha256_of(root / path)}\n".encode())
    files = {
        "decision": DECISION,
        "data": DVC_LOCK,
        "environment": f"{MODEL}/{REQUIREMENTS}",
    }
    found = {k: sha256_of(root / f) for k, f in files.items() if (root / f).is_file()}
    named = {"code": commit_at(root, "HEAD"), "inputs": inputs_digest(root)}
    return found | {"contracts": contracts.hexdigest()} | {k: v for k, v in named.items() if v}
