"""What there is to say of a trained model before it is let through: `mlops report`."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_cli.experiments.found import AbResult
from mlops_cli.governance.decision import GateResult, Verdict
from mlops_cli.monitoring.drift.base import ColumnDrift


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A hold-out metric: of this model, and as the other revision's `metrics.json` has it.

    `low` and `high` are the ends of a 95 % interval, where there is one; `change` is `value` minus
    `value_before`. What is not there is None.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    value_before: float | None
    low_before: float | None
    high_before: float | None
    change: float | None


@dataclass(frozen=True, slots=True)
class TrainingDrift:
    """The rows that this model was fitted on, against the champion's.

    `columns` are those that moved, of the `compared` ones; `absent` are the champion's that are no
    more, or of another kind. `rows` is how many rows there are now, `rows_before` how many the
    champion was fitted on. `unknown` says why nothing was compared.
    """

    compared: int = 0
    columns: tuple[ColumnDrift, ...] = ()
    absent: tuple[str, ...] = ()
    rows: int = 0
    rows_before: int = 0
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class ReportResult:
    """A trained model: what its gates say, its metrics, and whether its data moved.

    `verdict` sums the gates up; `reason` is why they could not be asked at all. `recorded` says
    that they were asked when the model was registered, not now. `champion` is the version that
    the registry has as champion. `against` is the revision as it was named, `commit` what it is;
    `uncommitted` are the files that the last commit has otherwise than this run made them.
    `positive` is the class that the probabilities of a binary model are of. `experiment` is the
    last one that `mlops ab` saw, where this model was one of the two.
    """

    project: str
    digest: str
    version: str
    champion: str | None
    verdict: Verdict
    reason: str | None
    recorded: bool
    gates: tuple[GateResult, ...]
    metric: str
    metrics: tuple[MetricChange, ...]
    against: str | None
    commit: str | None
    drift: TrainingDrift | None
    uncommitted: tuple[str, ...]
    positive: str | None = None
    experiment: AbResult | None = None
