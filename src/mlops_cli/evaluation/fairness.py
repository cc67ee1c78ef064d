"""How a model treats the groups of a column: rates by group, and what sets them apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.evaluation.groups import AND, Groups, crossed
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.shares import LEVEL, ratio_of_shares, wilson
from mlops_cli.tables.disclosure import FEWEST

SMALL = 30  # rows below which a group's rates are told, and not compared
FOUR_FIFTHS = 0.8
CROSSED = 4  # columns whose pairs are looked at

Share = tuple[int, int]


class GroupRates(msgspec.Struct, frozen=True):
    """The rates of one group, null where fewer than five rows make one; intervals are of 95 %.

    `calibration` is the mean probability less the share of positives. `small` is a group of fewer
    than 30 rows, which is compared with none.
    """

    rows: int
    small: bool
    selection_rate: float | None
    true_positive_rate: float | None
    false_positive_rate: float | None
    base_rate: float | None
    mean_prediction: float
    calibration: float
    intervals: Mapping[str, tuple[float, float]]


class Impact(msgspec.Struct, frozen=True):
    """The selection rate of the `lowest` group over that of the `highest`.

    The interval is corrected for how many groups there are to choose from (Bonferroni). By the
    four-fifths rule it should be 0.8: `holds`, and `sure` where the interval says the same.
    """

    value: float
    low: float
    high: float
    lowest: str
    highest: str
    holds: bool
    sure: bool


class Fairness(msgspec.Struct, frozen=True):
    """The groups of a column (`A & B`: of two), and by how much their rates differ at the most.

    What is null could not be computed: fewer than two groups are large enough, or nobody is
    selected.
    """

    groups: Mapping[str, GroupRates]
    disparate_impact: Impact | None
    demographic_parity_difference: float | None
    equal_opportunity_difference: float | None
    equalized_odds_difference: float | None


def fairness_of(judged: Judged, columns: Mapping[str, Groups]) -> dict[str, Fairness]:
    """Each column by itself, and each pair of them; of a binary task."""
    first = list(columns.items())[:CROSSED]
    pairs = {f"{a}{AND}{b}": crossed(x, y) for (a, x), (b, y) in combinations(first, 2)}
    return {name: _fairness(judged, groups) for name, groups in (dict(columns) | pairs).items()}


def _fairness(judged: Judged, groups: Groups) -> Fairness:
    every = [_counts(judged, groups.codes == i) for i in range(len(groups.names))]
    told = {name: _rates(c) for name, c in zip(groups.names, every, strict=True)}
    large = [name for name, rates in told.items() if not rates.small]
    selected = {
        name: c.selected for name, c in zip(groups.names, every, strict=True) if name in large
    }
    odds = [_spread(told[n].true_positive_rate for n in large)]
    odds.append(_spread(told[n].false_positive_rate for n in large))
    known = [gap for gap in odds if gap is not None]
    return Fairness(
        groups=told,
        disparate_impact=_impact(selected),
        demographic_parity_difference=_spread(told[n].selection_rate for n in large),
        equal_opportunity_difference=odds[0],
        equalized_odds_difference=max(known) if known else None,
    )


class _Counts(msgspec.Struct, frozen=True):
    selected: Share
    true_positive: Share
    false_positive: Share
    positive: Share
    mean: float
    gap: float
    error: float


def _counts(judged: Judged, rows: NDArray[np.bool_]) -> _Counts:
    found, true = judged.labels[rows] == 1, judged.target[rows] == 1
    p, n, m = judged.predictions[rows], int(rows.sum()), int(true.sum())
    gaps = p - true
    return _Counts(
        selected=(int(found.sum()), n),
        true_positive=(int((found & true).sum()), m),
        false_positive=(int((found & ~true).sum()), n - m),
        positive=(m, n),
        mean=float(p.mean()),
        gap=float(gaps.mean()),
        error=float(gaps.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan,
    )


def _rates(of: _Counts) -> GroupRates:
    shares = {
        "selection_rate": of.selected,
        "true_positive_rate": of.true_positive,
        "false_positive_rate": of.false_positive,
        "base_rate": of.positive,
    }
    known = {name: (hits, n) for name, (hits, n) in shares.items() if n >= FEWEST}
    intervals = {name: wilson(*share) for name, share in known.items()}
    if math.isfinite(of.error):
        intervals["calibration"] = (of.gap - 1.96 * of.error, of.gap + 1.96 * of.error)
    rates = {name: hits / n for name, (hits, n) in known.items()}
    return GroupRates(
        rows=of.selected[1],
        small=of.selected[1] < SMALL,
        selection_rate=rates.get("selection_rate"),
        true_positive_rate=rates.get("true_positive_rate"),
        false_positive_rate=rates.get("false_positive_rate"),
        base_rate=rates.get("base_rate"),
        mean_prediction=of.mean,
        calibration=of.gap,
        intervals=intervals,
    )


def _spread(rates: Iterable[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return max(known) - min(known) if len(known) > 1 else None


def _impact(selected: Mapping[str, Share]) -> Impact | None:
    """See `Impact`; None where there are fewer than two groups, or nobody is selected."""
    order = sorted(selected, key=lambda name: (selected[name][0] / selected[name][1], name))
    if len(order) < 2 or not selected[order[-1]][0]:
        return None
    lowest, highest = selected[order[0]], selected[order[-1]]
    value = (lowest[0] / lowest[1]) / (highest[0] / highest[1])
    level = 1 - (1 - LEVEL) / (len(order) - 1)
    low, high = ratio_of_shares(lowest, highest, level)
    return Impact(
        value=value,
        low=low,
        high=high,
        lowest=order[0],
        highest=order[-1],
        holds=value >= FOUR_FIFTHS,
        sure=low >= FOUR_FIFTHS if value >= FOUR_FIFTHS else high < FOUR_FIFTHS,
    )
