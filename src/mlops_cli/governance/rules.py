"""The rules by which a version is approved: as committed on the main line, and by nobody's edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlops_cli._git import committed, in_git
from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import lasting
from mlops_cli.audit.log import known_entries
from mlops_cli.config.document import parse_yaml
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.project import Project
from mlops_cli.config.sections.governance import GovernanceConfig
from mlops_cli.config.sections.register import AnyGate, RegisterConfig
from mlops_cli.errors import UsageError
from mlops_cli.governance.main_line import tips
from mlops_cli.governance.people import person
from mlops_cli.governance.result import by_experiment

RULES = "rules"  # of an entry's evidence: the commit whose rules were held


@dataclass(frozen=True, slots=True)
class Rules:
    """Which roles must approve, and who may fill each; `commit` is where they stand, if in git.

    `signers` is the content of `signers_file`, the keys that may sign: None where nobody has to, so
    that names are a convention, and empty where the file is not there. `residency` are the regions
    where a model may run; none are asked where it is empty. `gates` are those of `register.gates`.
    """

    approvals: tuple[str, ...] = ()
    roles: Mapping[str, tuple[str, ...]] | None = None
    commit: str | None = None
    signers: bytes | None = None
    signers_file: str | None = None
    residency: tuple[str, ...] = ()
    gates: tuple[AnyGate, ...] = ()

    def people(self, role: str) -> set[str]:
        """Who may fill the role, each by their one name."""
        return {person(name) for name in (self.roles or {}).get(role, ())}

    def same_as(self, other: Rules) -> bool:
        """Whether they ask for the same approvals, wherever they stand."""
        mine, theirs = ((r.approvals, r.roles, r.signers) for r in (self, other))
        return mine == theirs


def rules_in_force(project: Project, entries: Mapping[str, Entry]) -> tuple[Rules, ...]:
    """The rules that a version must satisfy, each of them: those of the main line come first.

    Where they were changed since the last promotion, those that it held to count, too, so that no
    candidate waves itself through. Raises `UsageError` where committed rules cannot be read.
    """
    now = main_rules(project)
    last = _last_promotion(project.root, entries)
    return (now,) if last is None or last.same_as(now) else (now, last)


def asks_for_approvals(project: Project, entries: Mapping[str, Entry]) -> bool:
    """Whether what passes its gates waits; also where only `mlops.yaml` as it is here says so."""
    here = project.config.register_.approvals
    return bool(here) or any(rules.approvals for rules in rules_in_force(project, entries))


def gates_in_force(project: Project) -> tuple[tuple[AnyGate, ...], str | None]:
    """The gates that a model is held to, and the commit of the main line that they stand in.

    Where approvals are asked they are those of the main line, so that no edit and no branch
    lowers a bound; else, and for an experiment, which registers nothing, those of the
    configuration, in no commit.
    """
    here = project.config.register_.gates
    if by_experiment() or not in_git(project.root):
        return here, None
    rules = main_rules(project)
    try:
        asked = asks_for_approvals(project, known_entries(project.root))
    except UsageError:  # a shallow clone: what the last promotion asked for cannot be told
        asked = True
    return (rules.gates, rules.commit) if asked and rules.commit else (here, None)


def main_rules(project: Project) -> Rules:
    """The rules of the main line; where no commit has any, and without git, those of the file."""
    root = project.root
    if in_git(root):
        first = _first(root, None)
        if first and (branch := _sections(first[0], first[1])[0].branch):
            first = _first(root, branch) or first
        if first:
            return _rules(root, *first)
    return _of(root, project.config.register_, project.config.governance, None)


def _first(root: Path, branch: str | None) -> tuple[bytes, str] | None:
    found = ((committed(root, commit, CONFIG), commit) for commit in tips(root, branch))
    return next(((raw, commit) for raw, commit in found if raw is not None), None)


def _last_promotion(root: Path, entries: Mapping[str, Entry]) -> Rules | None:
    made = (e for e in reversed(lasting(entries)) if e.action == "promote")
    last = next((e for e in made if e.outcome == "done" and RULES in e.evidence), None)
    return rules_of(root, last) if last else None


def rules_of(root: Path, promotion: Entry) -> Rules | None:
    """The rules that a promotion held to; None where they stood in no commit."""
    if (commit := promotion.evidence.get(RULES)) is None:
        return None
    raw = committed(root, commit, CONFIG)
    if raw is None:
        raise UsageError(
            f"the last promotion held to the rules of commit {commit[:12]}, which is not here",
            hint="fetch it: git fetch --unshallow origin (in GitHub Actions `fetch-depth: 0`)",
        )
    return _rules(root, raw, commit)


def _rules(root: Path, raw: bytes, commit: str) -> Rules:
    return _of(root, *_sections(raw, commit), commit)


def _of(
    root: Path, register: RegisterConfig, governance: GovernanceConfig, commit: str | None
) -> Rules:
    signers, residency = None, governance.residency or ()
    if file := governance.signers:
        here = (root / file).read_bytes() if (root / file).is_file() else None
        signers = (committed(root, commit, file) if commit else here) or b""  # nobody can sign
    areas = (residency,) if isinstance(residency, str) else residency
    return Rules(
        register.approvals,
        dict(governance.roles),
        commit,
        signers,
        governance.signers,
        areas,
        register.gates,
    )


@lru_cache(maxsize=4)
def _sections(raw: bytes, commit: str) -> tuple[RegisterConfig, GovernanceConfig]:
    where = f"{CONFIG} as committed in {commit[:12]}"
    content: Any = parse_yaml(raw, Path(where))
    said = content if isinstance(content, dict) else {}
    try:
        return (
            RegisterConfig.model_validate(said.get("register") or {}),
            GovernanceConfig.model_validate(said.get("governance") or {}),
        )
    except ValidationError as e:
        fault = e.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise UsageError(
            f"{where}: {key}: {fault['msg']}", hint="commit rules that can be read"
        ) from e
