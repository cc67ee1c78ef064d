"""The files that a version's evidence names by digest, as far as this clone still has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._git import commit_object, committed, versions_of
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import PROVENANCE, REQUIREMENTS
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.paths import DECISION, DVC_LOCK
from mlops_cli.config.project import Project

CONTRACTS = "contracts.sha256"
COMMIT = "commit"
ENVIRONMENT = "environment"


class _Made(msgspec.Struct):
    environment: dict[str, Any] | None = None


def proof(
    project: Project, bundle: Bundle, evidence: Mapping[str, str]
) -> tuple[dict[str, bytes], list[str]]:
    """What was decided, read and checked out when a version was registered, by its digests.

    `decision.json`, `dvc.lock`, `contracts.sha256` (a line `PATH SHA256` for each contract),
    `environment` (what was installed where it was trained) and `commit` (git's own object); and
    the names of those that are not found, in this work tree or in git's history. Where the
    evidence names no digest, there is nothing to find.
    """
    found, lacking = {}, []
    for kind, name, contents in (
        ("decision", DECISION, versions_of(project.root, DECISION)),
        ("data", DVC_LOCK, versions_of(project.root, DVC_LOCK)),
        ("contracts", CONTRACTS, _contracts(project, evidence.get("code"))),
        ("environment", ENVIRONMENT, filter(None, [environment_in(bundle.path)])),
    ):
        if (digest := evidence.get(kind)) is None:
            continue
        content = next((c for c in contents if hashlib.sha256(c).hexdigest() == digest), None)
        if content is None:
            lacking.append(name)
        else:
            found[name] = content
    if (commit := evidence.get("code")) is not None:
        content = commit_object(project.root, commit)
        if content is None:
            lacking.append(COMMIT)
        else:
            found[COMMIT] = content
    return found, lacking


def environment_in(folder: Path) -> bytes | None:
    """What was installed where the bundle in `folder` was trained, as its digest has it.

    JSON by what it tells of its making; of an older bundle, and one that was trained elsewhere,
    its requirements. None where there is no bundle.
    """
    try:
        made = msgspec.json.decode((folder / PROVENANCE).read_bytes(), type=_Made)
    except (OSError, msgspec.DecodeError):
        made = _Made()
    if made.environment is not None:
        return canonical_json(made.environment)
    wheels = folder / REQUIREMENTS
    return wheels.read_bytes() if wheels.is_file() else None


def contract_digests(contents: Mapping[str, bytes]) -> bytes:
    """A line `PATH SHA256` for each contract, by their paths: its digest is of them all."""
    lines = (f"{path} {hashlib.sha256(c).hexdigest()}\n" for path, c in sorted(contents.items()))
    return "".join(lines).encode()


def contracts_here(project: Project) -> dict[str, bytes]:
    """The contracts of the configuration that stand in the work tree, by their paths."""
    files = {path: project.root / path for path in project.contracts.values()}
    return {path: file.read_bytes() for path, file in files.items() if file.is_file()}


def _contracts(project: Project, commit: str | None) -> Iterator[bytes]:
    """What their lines are in the work tree, and were in the commit that was checked out."""
    yield contract_digests(contracts_here(project))
    if commit is not None:
        paths = project.contracts.values()
        there = {path: committed(project.root, commit, path) for path in paths}
        yield contract_digests({path: c for path, c in there.items() if c is not None})
