"""What a decision rests on, by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._files import sha256_of
from mlops_cli._git import commit_at
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import PROVENANCE, REQUIREMENTS
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.paths import DECISION, DVC_LOCK, MODEL
from mlops_cli.config.project import Project
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
    root, contracts = project.root, hashlib.sha256()
    for path in sorted(project.contracts.values()):
        if (root / path).is_file():
            contracts.update(f"{path} {sha256_of(root / path)}\n".encode())
    commit = commit_at(root, "HEAD")
    return {"contracts": contracts.hexdigest()} | ({"code": commit} if commit else {})


def _environment(root: Path) -> str | None:
    """Of all that was installed where the model was trained; of an older bundle, of its wheels."""
    try:
        made = msgspec.json.decode((root / MODEL / PROVENANCE).read_bytes(), type=_Made)
    except (OSError, msgspec.DecodeError):
        made = _Made()
    if made.environment is not None:
        return hashlib.sha256(canonical_json(made.environment)).hexdigest()
    wheels = root / MODEL / REQUIREMENTS
    return sha256_of(wheels) if wheels.is_file() else None


class _Made(msgspec.Struct):
    environment: dict[str, Any] | None = None
