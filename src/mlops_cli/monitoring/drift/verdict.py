"""Decide which columns have drifted, at a bounded rate of false alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from mlops_cli.bundle.profile import Span
from mlops_cli.errors import InconclusiveError
from mlops_cli.monitoring.counts import statistics as st
from mlops_cli.monitoring.counts.comparison import Comparison
from mlops_cli.monitoring.drift.base import ColumnDrift
from mlops_cli.monitoring.drift.hypotheses import (
    Evaluated,
    Hypothesis,
    by_order,
    evaluate,
    hypotheses,
    size_of,
)
from mlops_cli.monitoring.drift.spans import with_spans

MIN_ROWS = 30
MAX_ALPHA = 0.05
MONTH = timedelta(days=30)


def alpha_of(false_alarms_per_month: float, every: timedelta) -> float:
    """The probability that a quiet window may raise an alarm, 0.05 at the most.

    `every` is the time between two windows; a month has 30 days.
    """
    return min(MAX_ALPHA, false_alarms_per_month * (every / MONTH))


def find_drift(
    columns: Sequence[Comparison], alpha: float, span: Span | None = None
) -> list[ColumnDrift]:
    """Judge the columns of one window; drifted ones first, each part by importance x effect.

    The probability that any column of an unchanged window is called drifted is at most `alpha`,
    for independent rows, and for windows such as those that `span` tells of. Raises
    `InconclusiveError` for a window of fewer than 30 rows.
    """
    rows = columns[0].rows if columns else 0
    if rows < MIN_ROWS:
        raise InconclusiveError(
            f"{rows} rows are too few to judge drift: chance alone moves them far",
            hint=f"gather at least {MIN_ROWS} rows, better some hundred",
        )
    return find_drift_in({"": columns}, alpha, {"": span} if span else {})[""]


def find_drift_in(
    groups: Mapping[str, Sequence[Comparison]], alpha: float, spans: Mapping[str, Span]
) -> dict[str, list[ColumnDrift]]:
    """Judge the columns of several groups of rows of one window, each by its own profile.

    As `find_drift`, of every group with at least 30 rows; the probability that any column of any
    group of an unchanged window is called drifted is at most `alpha`, though groups share rows.
    """
    asked: list[Hypothesis] = []
    place: dict[int, tuple[str, str]] = {}  # whose a hypothesis is: names recur among groups
    for group, columns in groups.items():
        found = [h for c in columns for h in hypotheses(c)]
        if group in spans:
            found = list(with_spans(found, columns, spans[group], alpha / len(groups)))
        place |= {id(h): (group, h.column) for h in found}
        asked += found
    of: dict[tuple[str, str], list[Evaluated]] = {}
    for one in evaluate(asked, alpha):
        of.setdefault(place[id(one.hypothesis)], []).append(one)
    return {
        group: sorted((_column(c, of[group, c.profile.name]) for c in columns), key=_rank)
        for group, columns in groups.items()
    }


def _rank(column: ColumnDrift) -> tuple[bool, float, float, str]:
    use = column.importance * column.effect
    return (not column.drifted, -use, -column.effect, column.name)


def _column(column: Comparison, evaluated: Iterable[Evaluated]) -> ColumnDrift:
    most = max(evaluated, key=lambda j: (j.rejected, _excess(j)))
    h, profile = most.hypothesis, column.profile
    index, index_threshold = _psi(column, most.level)
    present = column.rows - column.missing
    return ColumnDrift(
        name=profile.name,
        drifted=most.rejected,
        statistic=h.statistic,
        value=h.value,
        threshold=most.threshold,
        p_value=h.p_value,
        effect=h.effect,
        importance=profile.importance,
        psi=index,
        psi_threshold=index_threshold,
        wasserstein=column.wasserstein,
        missing_current=column.missing / column.rows,
        missing_reference=profile.missing / max(profile.count + profile.missing, 1),
        unseen=column.unseen / present if column.unseen is not None and present else None,
    )


def _excess(evaluated: Evaluated) -> float:
    return evaluated.hypothesis.value / evaluated.threshold if evaluated.threshold else 0.0


def _psi(column: Comparison, level: float) -> tuple[float | None, float | None]:
    size = size_of(column)
    if not size:
        return None, None
    grouped = st.group_evenly if by_order(column) else st.merge_rare
    reference, current = grouped(column.reference, column.current)
    return st.psi(reference, current), st.psi_critical(level, len(reference), size)
