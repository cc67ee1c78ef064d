"""Of what a version was made, and the first thing by which one that was made again differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlops_cli._git import commit_at, commit_with, in_git
from mlops_cli.audit.entry import Entry
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import DVC_LOCK
from mlops_cli.config.project import Project
from mlops_cli.errors import BundleError, EnvironmentFault, UsageError
from mlops_cli.governance.approvals import made_from
from mlops_cli.governance.candidate import IMPORTED, provenance, read_candidate
from mlops_cli.governance.judged import EVIDENCE
from mlops_cli.governance.sources import parts_digests
from mlops_cli.serving.golden import replay, tolerance
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.tracking.base import ModelVersion, Tracker

Verdict = Literal["identical", "equal", "different"]
Difference = Literal["code", "lock", "data", "config", "features", "model", "metrics"]
_SHOWN = 5  # packages that are named


@dataclass(frozen=True, slots=True)
class Made:
    """A model with what is known of its making: `parts` are those of `parts_digests`.

    `metrics` are those of the hold-out, `provenance` is the bundle's own.
    """

    bundle: Bundle
    metrics: Mapping[str, float]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """A registered version, and the commit (hex digits) that holds what it was made from.

    `uncommitted`: it was made from more than that commit, and no other one holds that either.
    """

    made: Made
    commit: str
    uncommitted: bool


def origin_of(
    project: Project, tracker: Tracker, entries: Mapping[str, Entry], version: ModelVersion
) -> Origin:
    """What the registry and the log have of the version's making.

    Raises `UsageError` where it was not made by a pipeline in git, `EnvironmentFault` where its
    bundle or its commit is not here.
    """
    bundle = open_bundle(tracker.fetch(version.digest))
    made = provenance(bundle)
    if made.get(IMPORTED):
        raise UsageError(
            f"{version.version} was trained elsewhere and imported: no commit makes it again",
            hint="`mlops parity` compares it with its own library",
        )
    evidence = _evidence(entries, version)
    commit, uncommitted = _commit(project.root, version, evidence, made)
    return Origin(Made(bundle, version.metrics, made, evidence), commit, uncommitted)


def made_in(root: Path, project: Project) -> Made:
    """The model that was trained last in the folder `root` of the project's pipeline."""
    candidate = read_candidate(root)
    metrics = {k: v for k, v in candidate.metrics.items() if v is not None}
    parts = parts_digests(root, project.tables)
    return Made(candidate.bundle, metrics, provenance(candidate.bundle), parts)


def difference_in_prediction(then: Path, now: Path) -> str | None:
    """The first golden row of one bundle that another does not reproduce; None where it does all.

    By the tolerance that holds everywhere: features to 1 ulp, predictions to 1e-6 + 1e-5 |y|.
    """
    before, after = open_bundle(then), open_bundle(now)
    if before.manifest.features != after.manifest.features:
        return "its features are others"
    try:
        replay(before, open_predictor(after))
    except BundleError as e:
        return e.message
    return None


def compare(
    then: Made, now: Made, apart: Callable[[], str | None]
) -> tuple[Verdict, Difference | None, str | None]:
    """The verdict, the first difference, and what that is in words.

    `apart` says by what the predictions differ, None where they are equal within the tolerance.
    """
    same = then.bundle.digest == now.bundle.digest
    if same and _metrics_apart(then, now, exact=True) is None:
        return "identical", None, None
    by = None if same else apart()
    name, why = next(_differences(then, now, by))
    equal = by is None and _metrics_apart(then, now) is None
    return "equal" if equal else "different", name, why


def _differences(then: Made, now: Made, by: str | None) -> Iterator[tuple[Difference, str]]:
    if why := _code(then, now):
        yield "code", why
    if why := _environment(then.provenance.get("environment"), now.provenance.get("environment")):
        yield "lock", why
    if _other(then.parts, now.parts, "tables"):
        yield "data", "the tables are not those that it was made from"
    if _other(then.parts, now.parts, "settings"):
        yield "config", "mlops.yaml or a contract does not say what it was made by"
    if _other(then.provenance, now.provenance, "data_digest"):
        yield "features", "the same tables and settings gave other features"
    if then.bundle.digest != now.bundle.digest:
        yield "model", by or "other bytes, and the same predictions within the tolerance"
    yield "metrics", _metrics_apart(then, now, exact=True) or "none"


def _other(then: Mapping[str, Any], now: Mapping[str, Any], key: str) -> bool:
    """What an earlier release did not record is taken to be the same."""
    return key in then and key in now and then[key] != now[key]


def _code(then: Made, now: Made) -> str | None:
    if _other(then.provenance, now.provenance, "code_digest"):
        was, is_now = (m.provenance.get("mlops_cli_version") for m in (then, now))
        return f"mlops-cli {was} made it, and this is " + (
            f"{is_now}" if was != is_now else "another build of it"
        )
    if _other(then.parts, now.parts, "scripts"):
        return "a file that a stage of your own reads is not what it was"
    return None


def _environment(then: Any, now: Any) -> str | None:
    if not isinstance(then, dict) or not isinstance(now, dict):
        return None
    for name in ("python", "system"):
        if then.get(name) != now.get(name):
            return f"{name}: {then.get(name)} then, {now.get(name)} now"
    was, is_now = then.get("packages", {}), now.get("packages", {})
    changed = sorted(n for n in was.keys() | is_now.keys() if was.get(n) != is_now.get(n))
    told = (f"{n} {was.get(n, 'absent')} then, {is_now.get(n, 'absent')} now" for n in changed)
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return "; ".join([*told][:_SHOWN]) + more if changed else None


def _metrics_apart(then: Made, now: Made, *, exact: bool = False) -> str | None:
    """The first metric beyond the tolerance; none where the registry has lost them all."""
    for name, was in then.metrics.items():
        found = now.metrics.get(name)
        limit = 0.0 if exact else tolerance(was)
        if found is None or not abs(found - was) <= limit:
            return f"{name}: {was!r} then, {found!r} now"
    return None


def _evidence(entries: Mapping[str, Entry], version: ModelVersion) -> dict[str, str]:
    if tag := version.tags.get(EVIDENCE):
        return dict(json.loads(tag))
    return made_from(entries, version.digest)


def _commit(
    root: Path, version: ModelVersion, evidence: Mapping[str, str], made: Mapping[str, Any]
) -> tuple[str, bool]:
    """The commit, and whether what it was made from is in none.

    Whoever runs first and commits then has it in the commit that first has its `dvc.lock`.
    """
    if not in_git(root):
        raise UsageError(
            f"{version.version} cannot be made again: {root} is not in git", hint="git init"
        )
    named = evidence.get("code") or made.get("git_commit")
    clean = "tables" in evidence and "diff" not in evidence  # else: by an earlier release
    if clean and named and commit_at(root, named):
        return named, False
    later = commit_with(root, DVC_LOCK, evidence["data"]) if "data" in evidence else None
    if later:
        return later, False
    if named and commit_at(root, named):
        return named, "diff" in evidence
    raise EnvironmentFault(
        f"the commit {short(named or 'unknown')} of {version.version} is not in this clone",
        hint="git fetch --unshallow, or fetch the branch that it was made on",
    )
