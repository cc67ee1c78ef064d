"""What a decision rests on, by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from mlops_cli._files import sha256_of
from mlops_cli._git import commit_at
from mlops_cli.bundle.manifest import REQUIREMENTS
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.paths import DECISION, DVC_LOCK, MODEL
from mlops_cli.config.project import Project
from mlops_cli.governance.sources import inputs_digest


def evidence(project: Project) -> dict[str, str]:
    """Digests of what a decision rests on: the data by `dvc.lock`, contracts, code, decision.

    And the packages that the model was trained with, and `inputs`, which names all that it was
    made from, whatever it was compared with.
    """
    root = project.root
    files = {
        "decision": DECISION,
        "data": DVC_LOCK,
        "environment": f"{MODEL}/{REQUIREMENTS}",
    }
    found = {k: sha256_of(root / f) for k, f in files.items() if (root / f).is_file()}
    inputs = inputs_digest(root)
    return found | _rules_of(project) | ({"inputs": inputs} if inputs else {})


def evidence_of_import(
    project: Project, bundle: Bundle, files: Mapping[str, str]
) -> dict[str, str]:
    """The same of a model that was trained elsewhere: nothing of what the workspace holds made it.

    `files` are the digests of its own file and its data.
    """
    found = {
        **_rules_of(project),
        **files,
        "environment": sha256_of(bundle.path / REQUIREMENTS),
    }
    text = "".join(f"{k} {found[k]}\n" for k in sorted({"contracts", *files}))
    return found | {"inputs": hashlib.sha256(text.encode()).hexdigest()}


def _rules_of(project: Project) -> dict[str, str]:
    root, contracts = project.root, hashlib.sha256()
    for path in sorted(project.contracts.values()):
        if (root / path).is_file():
            contracts.update(f"{path} {sha256_of(root / path)}\n".encode())
    commit = commit_at(root, "HEAD")
    return {"contracts": contracts.hexdigest()} | ({"code": commit} if commit else {})
