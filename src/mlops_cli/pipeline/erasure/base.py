"""A place that may hold rows of a subject, and what is found there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mlops_cli.config.project import Project
from mlops_cli.progress import Progress


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom to erase: the rows where `column` holds `value`."""

    column: str
    value: str


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of the subject at one place: where, in words, how many, and the task that erases them.

    `task` is JSON and names no subject, for it is kept until it is done. Without one nothing can
    be done there: `why`; with one, `why` is what it has to wait for.
    """

    where: str
    rows: int
    task: Mapping[str, Any] | None = None
    why: str | None = None


@dataclass(slots=True)
class Search:
    """What is looked for, and what places have learnt that later ones need.

    `values` are the subject's rows as text by column, as far as they are needed to know one again
    (at most 1000); `fitted` are the `data_digest` of features that hold such rows; `models` the
    versions that were fitted on them, by digest. `known`: some table has the column.
    """

    project: Project
    subject: Subject
    progress: Progress
    values: list[dict[str, str]] = field(default_factory=list)
    fitted: set[str] = field(default_factory=set)
    models: list[str] = field(default_factory=list)
    known: bool = False


class Place(Protocol):
    """Somewhere that rows of a subject may be."""

    def names(self, project: Project) -> list[str]:
        """Every place of this kind that the project has, in words, whether or not it holds any."""

    def find(self, search: Search) -> list[Found]:
        """What it holds of the subject; nothing changes."""

    def erase(self, project: Project, task: Mapping[str, Any]) -> None:
        """Do a task of `find`, whole or not at all; done twice, it is done once.

        Raises `EnvironmentFault` where it cannot be done now, and `GateError` where it may not be
        before something else has happened, which the message names.
        """
