"""What is tested of a column: its distribution, its missing share, its share of unseen values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from mlops_cli.bundle.profile import Bins, Categories, OpenBins
from mlops_cli.monitoring.counts import statistics as st
from mlops_cli.monitoring.counts.comparison import Comparison
from mlops_cli.monitoring.counts.shares import share_critical, share_p_value
from mlops_cli.monitoring.drift.base import Statistic

# A difference below its floor is no drift, however significant; docs/guides/drift.md says why.
KS_FLOOR = 0.05
CHI_SQUARE_FLOOR = 0.1
SHARE_FLOOR = 0.02

MIN_VALUES = 30  # fewer current or reference values say nothing of a distribution
OFTEN = 20  # listed numbers that occur less often each are compared by their order, not one by one


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """ "This is as it was", of one statistic of one column.

    `effect` is the share of rows (0 to 1) that moved; `critical` gives the value that chance
    reaches with the probability that it is called with.
    """

    column: str
    statistic: Statistic
    value: float
    p_value: float
    effect: float
    floor: float
    critical: Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A hypothesis with the level that its rank among all of them left it."""

    hypothesis: Hypothesis
    level: float

    @property
    def threshold(self) -> float:
        """What `value` must reach to count: both more than chance gives and worth a look."""
        return max(self.hypothesis.critical(self.level), self.hypothesis.floor)

    @property
    def rejected(self) -> bool:
        """Whether the column is not as it was."""
        h = self.hypothesis
        return h.p_value <= self.level and h.value >= h.floor


def evaluate(hypotheses: Sequence[Hypothesis], alpha: float) -> list[Evaluated]:
    """Holm's step-down procedure: the probability of any false rejection is at most `alpha`.

    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6. It holds under any dependence of the tests. The order of the result is by
    p-value.
    """
    evaluated: list[Evaluated] = []
    left, stopped = len(hypotheses), False
    for hypothesis in sorted(hypotheses, key=lambda h: h.p_value):
        evaluated.append(Evaluated(hypothesis, alpha / left))
        stopped = stopped or hypothesis.p_value > alpha / left
        left -= not stopped
    return evaluated


def hypotheses(column: Comparison) -> Iterator[Hypothesis]:
    """All that can be tested of a column, at least its missing share."""
    present = column.rows - column.missing
    if min(present, column.profile.count) >= MIN_VALUES:
        yield _ks(column) if by_order(column) else _chi_square(column)
        yield from _unseen(column, present)
    missing = _Shares(column.missing, column.rows, column.profile.missing, _reference_rows(column))
    yield _share(column, "missing_share", missing)


def by_order(column: Comparison) -> bool:
    """Whether values are compared by their order; otherwise each value or category by itself."""
    distribution = column.profile.distribution
    if isinstance(distribution, Categories):
        return False
    few = column.profile.count < OFTEN * len(distribution.counts)
    return isinstance(distribution, Bins | OpenBins) or few


@dataclass(frozen=True, slots=True)
class _Shares:
    hits: int
    n: int
    reference_hits: int
    m: int

    @property
    def rise(self) -> float:
        return self.hits / max(self.n, 1) - self.reference_hits / max(self.m, 1)

    def critical(self, alpha: float) -> float:
        hits = self.reference_hits if self.rise >= 0 else self.m - self.reference_hits
        return share_critical(alpha, self.n, hits, self.m)


def _unseen(column: Comparison, present: int) -> Iterator[Hypothesis]:
    if column.unseen is None or by_order(column):
        return
    # Leaving one out, a value that occurs once would be unseen: Good (1953), Biometrika 40.
    once = int((column.reference == 1).sum())
    shares = _Shares(column.unseen, present, once, column.profile.count)
    if shares.rise > 0:
        yield _share(column, "unseen_share", shares)


def _share(column: Comparison, statistic: Statistic, shares: _Shares) -> Hypothesis:
    return Hypothesis(
        column=column.profile.name,
        statistic=statistic,
        value=abs(shares.rise),
        p_value=share_p_value(shares.hits, shares.n, shares.reference_hits, shares.m),
        effect=abs(shares.rise),
        floor=SHARE_FLOOR,
        critical=shares.critical,
    )


def _ks(column: Comparison) -> Hypothesis:
    distance = st.ks_distance(column.reference, column.current)
    size = size_of(column)
    return Hypothesis(
        column=column.profile.name,
        statistic="ks",
        value=distance,
        p_value=st.ks_p_value(distance, size),
        effect=distance,
        floor=KS_FLOOR,
        critical=partial(st.ks_critical, size=size),
    )


def _chi_square(column: Comparison) -> Hypothesis:
    reference, current = st.merge_thin(column.reference, column.current)
    value, freedom = st.chi_square(reference, current)
    return Hypothesis(
        column=column.profile.name,
        statistic="chi_square",
        value=value,
        p_value=st.chi_square_p_value(value, freedom),
        effect=st.total_variation(*st.merge_rare(column.reference, column.current)),
        floor=CHI_SQUARE_FLOOR**2 * size_of(column),
        critical=partial(st.chi_square_critical, freedom=freedom),
    )


def size_of(column: Comparison) -> float:
    """The effective size of both samples' values, n m / (n + m)."""
    return st.effective(column.profile.count, column.rows - column.missing)


def _reference_rows(column: Comparison) -> int:
    return column.profile.count + column.profile.missing
