"""What a decision rests on, by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from mlops_cli._files import sha256_of
from mlops_cli._git import commit_at
from mlops_cli.bundle.manifest import REQUIREMENTS
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.paths import DECISION, DVC_LOCK, MODEL
from mlops_cli.config.project import Project
from mlops_cli.governance.proof import contract_digests, contracts_here, environment_in
from mlops_cli.governance.sources import diff_digest, inputs_digest, parts_digests


def evidence(project: Project) -> dict[str, str]:
    """Digests of what a decision rests on: the data by `dvc.lock`, contracts, code, decision.

    And the environment that the model was trained in; `inputs`, which names all that it was made
    from, whatever it was compared with; `tables`, `settings` and `scripts`, the parts of that; and
    where the commit of `code` does not hold it, `diff`, which names what was changed.
    """
    root = project.root
    files = {"decision": DECISION, "data": DVC_LOCK}
    found = {k: sha256_of(root / f) for k, f in files.items() if (root / f).is_file()}
    named = {
        "environment": _environment(root),
        "inputs": inputs_digest(root),
        "diff": diff_digest(root),
    }
    found |= parts_digests(root, project.tables)
    return found | _rules_of(project) | {k: v for k, v in named.items() if v}


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
    contracts = hashlib.sha256(contract_digests(contracts_here(project)))
    commit = commit_at(project.root, "HEAD")
    return {"contracts": contracts.hexdigest()} | ({"code": commit} if commit else {})


def _environment(root: Path) -> str | None:
    """Of all that was installed where the model was trained; of an older bundle, of its wheels."""
    found = environment_in(root / MODEL)
    return hashlib.sha256(found).hexdigest() if found is not None else None
