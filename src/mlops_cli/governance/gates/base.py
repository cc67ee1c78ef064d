"""The port of a gate, and the case that a gate judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.governance.decision import GateResult
from mlops_cli.tracking.base import ModelVersion, Tracker


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A trained model that asks to become the champion.

    `metrics` are those of the hold-out by name, `champion` is the one that it would replace, and
    `first` says that it is not to be compared with it.
    """

    project: Project
    candidate: Bundle
    metrics: Mapping[str, float | None]
    tracker: Tracker
    champion: ModelVersion | None
    first: bool = False


class Gate(Protocol):
    """One entry of `register.gates`.

    A gate reads and changes nothing. What it has nothing to decide by is `undecided`, and never an
    exception: an error means that nothing can be judged at all, such as a registry that does not
    answer (`EnvironmentFault`) or a table that cannot be read (`DataError`).
    """

    def evaluate(self, case: Case) -> GateResult:
        """What this gate says of the case."""
