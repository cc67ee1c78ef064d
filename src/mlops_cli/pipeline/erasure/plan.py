"""What is to be erased, written down before anything is: who is killed half-way ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._files import write_text
from mlops_cli._json import pretty_json
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault


class Step(msgspec.Struct, frozen=True):
    """A task, by the module of its place."""

    place: str
    where: str
    rows: int
    task: dict[str, Any]


class Rest(msgspec.Struct, frozen=True):
    """What cannot be erased here, and why."""

    where: str
    why: str


class Plan(msgspec.Struct, frozen=True):
    """Every step in order; `subject` is the HMAC (64 hex digits) that the log will have."""

    subject: str
    column: str
    steps: list[Step]
    models: list[str]
    left: list[Rest]


def keep_plan(project: Project, plan: Plan) -> None:
    """Write it down, readable by nobody else: rows' numbers are of a person."""
    file = _file(project, plan)
    write_text(file, pretty_json(plan))
    file.chmod(0o600)


def kept_plans(project: Project) -> list[Plan]:
    """The plans of erasures that did not end, of a subject each.

    Raises `EnvironmentFault` where one cannot be read.
    """
    return [_read(file) for file in sorted(_folder(project).glob("*.json"))]


def _read(file: Path) -> Plan:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Plan)
    except msgspec.DecodeError as e:
        raise EnvironmentFault(
            f"{file} cannot be read: {str(e)[:200]}",
            hint="delete it, and erase the subject again",
        ) from e


def end_plan(project: Project, plan: Plan) -> None:
    """There is nothing left to do."""
    _file(project, plan).unlink(missing_ok=True)


def _file(project: Project, plan: Plan) -> Path:
    return _folder(project) / f"{plan.subject}.json"


def _folder(project: Project) -> Path:
    return project.cache / "erase"
