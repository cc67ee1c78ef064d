"""What was found of each window of the log: `monitoring/windows.jsonl`, its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Numbers = Mapping[str, float]
"""Metrics by name, and beside each that has an interval `NAME_low` and `NAME_high`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How many rows a version answered, as `champion`, `candidate` or `shadow`."""

    version: str
    variant: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFound:
    """One column of a window: it drifted where `value` reaches `threshold`; see `ColumnDrift`."""

    name: str
    drifted: bool
    statistic: str
    value: float
    threshold: float
    effect: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A column that a difference of whole rows rests on, and its share of it (0 to 1)."""

    name: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTest:
    """A test of whole rows: it found drift where `effect` is above `threshold`, and not by chance.

    Of the `classifier` the effect is the area under its ROC curve, of the `reconstruction` how far
    from a half the share of pairs is in which the later row lies farther off.
    """

    name: str
    drifted: bool
    effect: float
    threshold: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JointFound:
    """Whether rows as a whole moved, by `rows` (one of each unit) of both sides that judged.

    `columns` carry it, the first one most; there are some only where it `drifted`.
    """

    drifted: bool
    rows: int
    tests: tuple[JointTest, ...] = ()
    columns: tuple[Carrier, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFound:
    """Whether inputs or predictions moved away from the reference.

    `rows` were compared, one of each `unit` (columns of `data.id`; empty: every row counts);
    `reference` is what they were held to. `columns` are ranked, the drifted ones first.
    `joint` is of all rows of a window alone, and where there was a reference to hold rows to.
    """

    drifted: bool
    rows: int
    columns: tuple[ColumnFound, ...] = ()
    reference: str = "training"
    unit: tuple[str, ...] = ()
    joint: JointFound | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that drifted; where none did by itself, those that carry joint drift."""
        alone = tuple(c.name for c in self.columns if c.drifted)
        return alone or (tuple(c.name for c in self.joint.columns) if self.joint else ())

    @property
    def together(self) -> bool:
        """Whether it drifted, and no column by itself did."""
        return self.drifted and not any(c.drifted for c in self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnQuality:
    """Shares (0 to 1) of a column's rows: `missing` (or not of its type), `rise` of that over the
    profile's; of the values that are there `unseen` ones, and those `out_of_range` of training's.
    """

    name: str
    missing: float
    rise: float
    unseen: float
    out_of_range: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFound:
    """The worst column's figures, each with `_low` and `_high` beside it in `figures`.

    `broken` is a fault of the data, which is no drift; `faults` are sentences that say which.
    `columns` are those with anything to tell, the worst first.
    """

    broken: bool
    figures: Numbers = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    columns: tuple[ColumnQuality, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFound:
    """How much was asked; `expected` rows are the median of earlier windows like it."""

    rows: int
    requests: int
    expected: float | None = None

    @property
    def silent(self) -> bool:
        """Whether nothing came."""
        return self.rows == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsFound:
    """The labels that came: of `rows` that were looked at `labelled` have one.

    `over`: the time is past in which they usually come; `partial`: it is not, and some lack.
    `biased` says why those that came do not stand for the others; `enough`: 30 rows, and of each
    class that many.
    """

    rows: int
    labelled: int
    over: bool
    partial: bool
    enough: bool = False
    biased: str | None = None

    @property
    def trusted(self) -> bool:
        """Whether performance by these labels is a verdict, and not only a figure."""
        return self.enough and not self.partial and self.biased is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptFound:
    """Whether the same answers go with other labels than before, by `rows` (one of each unit).

    `loss` names what was `expected` of the hold-out's labels, and `seen`: `log_loss`, or `mae` in
    the target's unit. `p_value` is how often chance alone gives labels so far from the expected.
    """

    drifted: bool
    rows: int
    loss: str
    expected: float
    seen: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateCheck:
    """Of `windows` before, whose labels came, the main metric lay `missed` times outside of what
    was estimated; where that is too often the estimate is not `reliable`."""

    reliable: bool
    windows: int
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What was found of all rows of a window, or of a segment of them.

    `prediction_drift` and `target_drift` are the share of rows (0 to 1) that moved, with `_low`
    and `_high`, and `drifted` (1 or 0). `concept_drift` is there where labels are trusted.
    """

    rows: int
    drift: DriftFound | None = None
    prediction_drift: Numbers | None = None
    quality: QualityFound | None = None
    labels: LabelsFound | None = None
    performance: Numbers | None = None
    estimated: Numbers | None = None
    target_drift: Numbers | None = None
    concept_drift: ConceptFound | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A line of `monitoring/windows.jsonl`; of several of a window the last one counts.

    Times are in UTC. `version` answered most rows, and is the one that is judged; all that
    answered are `versions`. `sampled` rows were looked at for all but volume, latency and errors.
    `latency` has p50, p95 and p99 in milliseconds, over requests; `errors` is the share of
    requests that the model failed. `judged_of` is the fingerprint of what was judged: a window is
    judged again when it differs, or that of its labels, `labels_of`. `remarks` are for people.
    """

    start: datetime
    end: datetime
    target: str
    version: str
    rows: int
    sampled: int
    versions: tuple[Answered, ...] = ()
    drift: DriftFound | None = None
    prediction_drift: Numbers | None = None
    quality: QualityFound | None = None
    volume: VolumeFound | None = None
    latency: Numbers | None = None
    errors: float | None = None
    labels: LabelsFound | None = None
    performance: Numbers | None = None
    baseline: Numbers | None = None
    estimated: Numbers | None = None
    estimate_check: EstimateCheck | None = None
    target_drift: Numbers | None = None
    concept_drift: ConceptFound | None = None
    skew: Numbers | None = None
    segments: Mapping[str, Part] = field(default_factory=dict)
    judged_of: str = ""
    labels_of: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether the window, or a segment of it, drifted; a window of broken data did not."""
        parts = (self.drift, *(part.drift for part in self.segments.values()))
        return any(found is not None and found.drifted for found in parts)

    @property
    def broken(self) -> bool:
        """Whether the data of the window has a fault: then it is neither drift nor performance."""
        return self.quality is not None and self.quality.broken
