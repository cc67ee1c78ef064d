"""What an experiment found: `reports/ab.json`, its records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from mlops_cli.config.paths import AB_REPORT

Kind = Literal["mean", "rate", "ratio"]
Side = Literal["better", "worse", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFound:
    """An arm: its `units` in which the metric was measured, the `rows` behind them, its level."""

    units: int
    rows: int
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftFound:
    """The candidate's lift over the champion in one metric.

    `difference` is candidate less champion, `relative` the same as a part of the champion's level;
    each with an interval of 95 % that holds at every look, null where `why` says that there is
    none. `p_value` is anytime-valid. `side` is `better` or `worse` where the interval leaves out 0
    (of a metric without a better way: `open`). `explained` is the part of the variance that the
    time before took out (CUPED), null without one.
    """

    metric: str
    kind: Kind
    better: Literal["higher", "lower"] | None
    champion: ArmFound
    candidate: ArmFound
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    p_value: float | None = None
    side: Side = "open"
    explained: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailFound:
    """A metric that the candidate may not be surely worse in by `worse_by`.

    `breached`: it surely is worse, and by more than that on what was seen. `held`: it surely is
    not worse by that. Else `open`.
    """

    metric: str
    worse_by: str
    verdict: Literal["held", "breached", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFound:
    """The primary metric among the units of one value of a column.

    The intervals hold for all segments together (Bonferroni), and so does `p_value` (Holm), by
    which `side` goes.
    """

    column: str
    value: str
    lift: LiftFound


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareFound:
    """The share of units that met the candidate, and the one that was to.

    `mismatch` where a fair assignment would give that at any look in less than 1 % of cases;
    `expected` is null where it is not known, since it changed.
    """

    candidate: float
    expected: float | None
    p_value: float | None
    mismatch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AbResult:
    """One look at an experiment: both versions, what was compared, and who is ahead, if anybody.

    `unit` are the inputs that keep a subject in one arm; empty: each request is a unit. `units`
    were compared, `mixed` had met both arms and were left out. `winner` is null where there is
    none, and `reasons` say why or why not. `data` is the file that has all this.
    """

    since: datetime
    until: datetime
    champion: str
    candidate: str
    unit: tuple[str, ...]
    units: int
    mixed: int
    share: ShareFound
    planned: int
    primary: str | None
    winner: Literal["champion", "candidate"] | None
    reasons: tuple[str, ...]
    metrics: tuple[LiftFound, ...]
    guardrails: tuple[GuardrailFound, ...]
    segments: tuple[SegmentFound, ...]
    remarks: tuple[str, ...]
    data: str = AB_REPORT


def read_experiment(root: Path) -> AbResult | None:
    """The last result that was written down; None where there is none that can be read."""
    try:
        return msgspec.json.decode((root / AB_REPORT).read_bytes(), type=AbResult)
    except (OSError, msgspec.DecodeError):
        return None
