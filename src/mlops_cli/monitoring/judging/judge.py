"""Judge the rows of a window: all of them, and each segment; one budget of false alarms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import THRESHOLD, ClassLabel, Feature, Task
from mlops_cli.bundle.profile import LossTree, ScoreBins
from mlops_cli.evaluation.coverage import coverage_of
from mlops_cli.monitoring.collected.rows import Rows
from mlops_cli.monitoring.counts.comparison import Comparison, compare
from mlops_cli.monitoring.drift.base import ColumnDrift
from mlops_cli.monitoring.drift.outcomes import PREDICTION, TARGET, Outcome, column_of, shift_of
from mlops_cli.monitoring.drift.verdict import MIN_ROWS, find_drift_in
from mlops_cli.monitoring.joint.whole_rows import SHARE, find_joint
from mlops_cli.monitoring.judging.quality import broken_columns, find_quality
from mlops_cli.monitoring.judging.references import Reference, texts_of
from mlops_cli.monitoring.performance.estimate import estimate, flat
from mlops_cli.monitoring.performance.losses import estimate_losses
from mlops_cli.monitoring.performance.realised import known, labels_of, performance_of
from mlops_cli.monitoring.performance.residuals import classified_drift, regressed_drift
from mlops_cli.monitoring.windows.records import (
    ColumnFound,
    ConceptFound,
    DriftFound,
    Part,
    QualityFound,
)
from mlops_cli.tables.matrix import encode

WHOLE = ""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Terms:
    """By what a window is judged: `alpha` is the probability that a quiet one alarms.

    `outcomes` are what predictions and labels of all rows are held to, by `PREDICTION` and
    `TARGET`; `scores` what a classifier's probabilities meant on the hold-out, `losses` how a
    regression erred there, by the model's `features`. `over`: the time is over in which labels
    usually come. `beside` are rows that all rows are held to together (see `joint`).
    `threshold` is the probability from which on a row is called positive.
    """

    task: Task
    alpha: float
    classes: tuple[ClassLabel, ...] | None = None
    unit: tuple[str, ...] = ()
    outcomes: Mapping[str, Reference] = field(default_factory=dict)
    scores: tuple[ScoreBins, ...] = ()
    losses: LossTree | None = None
    features: tuple[Feature, ...] = ()
    over: bool = True
    beside: pa.Table | None = None
    threshold: float = THRESHOLD


@dataclass(frozen=True, slots=True)
class Group:
    """Rows to judge together, under a name such as `origin=JFK`; `column` is the segment's."""

    rows: Rows
    reference: Reference | None
    column: str = WHOLE


def judge(groups: Mapping[str, Group], terms: Terms) -> dict[str, Part]:
    """What is found of each group of one window, of which `WHOLE` is all of its rows."""
    counted = {name: _counted(group) for name, group in groups.items()}
    quality = {name: find_quality(all_) for name, (all_, _) in counted.items() if all_}
    with ThreadPoolExecutor(1) as beside:  # drift takes as long as all the rest
        drifting = beside.submit(lambda: dict(_drift(groups, counted, quality, terms)))
        parts = {name: _part(group.rows, terms) for name, group in groups.items()}
        parts[WHOLE] = replace(
            parts[WHOLE],
            prediction_drift=_shift(PREDICTION, groups[WHOLE].rows, terms),
            target_drift=_shift(TARGET, groups[WHOLE].rows, terms),
            concept_drift=_concept(parts[WHOLE], groups[WHOLE], terms),
        )
        drift = drifting.result()
    return {
        name: replace(part, drift=drift.get(name), quality=quality.get(name))
        for name, part in parts.items()
    }


def segment_masks(
    rows: Rows, column: str, values: Iterable[str]
) -> Iterator[tuple[str, str, Mask]]:
    """For each value of a segment's column its name, the value, and which rows have it."""
    for value in values:
        yield f"{column}={value}", value, texts_of(rows.table, column, value)


def _shift(role: Outcome, rows: Rows, terms: Terms) -> Mapping[str, float] | None:
    """How far what was predicted, or what came of it, moved; one row of each unit counts."""
    reference = terms.outcomes.get(role)
    if reference is None:
        return None
    values = rows.said if role == PREDICTION else rows.truth
    column = column_of(role, values[rows.first[WHOLE]], terms.classes)
    return shift_of(reference.profile, column, alpha=terms.alpha, span=reference.span)


def _concept(part: Part, whole: Group, terms: Terms) -> ConceptFound | None:
    """Whether labels that are trusted go with answers as on the hold-out.

    None, too, where rows go along a time: labels of one day are alike, and no test here knows how.
    """
    along_time = whole.reference is not None and whole.reference.span is not None
    if along_time or part.labels is None or not part.labels.trusted:
        return None
    rows = whole.rows.where(known(whole.rows.truth, whole.rows.said))
    groups = rows.units() if terms.unit else None
    if terms.losses is not None:
        inputs = encode(rows.table, terms.features).astype(np.float64)
        found = regressed_drift(terms.losses, inputs, rows.truth, rows.said, groups)
    elif terms.scores:
        found = classified_drift(terms.scores, rows.truth, rows.said, groups)
    else:
        return None
    return ConceptFound(
        drifted=found.p_value <= terms.alpha,
        rows=found.units,
        loss=found.loss,
        expected=round(found.expected, 6),
        seen=round(found.seen, 6),
        p_value=float(f"{found.p_value:.4g}"),
    )


def _part(rows: Rows, terms: Terms) -> Part:
    labels = labels_of(terms.task, rows.truth, rows.said, delay=rows.delay, over=terms.over)
    return Part(
        rows=rows.count,
        labels=labels,
        performance=_performance(rows, terms) if labels.labelled else None,
        estimated=_estimated(rows, terms),
    )


def _performance(rows: Rows, terms: Terms) -> dict[str, float] | None:
    found = performance_of(terms.task, rows.truth, rows.said, threshold=terms.threshold)
    if found is None or rows.ends is None:
        return found
    there = known(rows.truth, rows.said)
    covered = coverage_of(rows.truth[there], rows.ends[there])
    return found | {name: round(value, 6) for name, value in covered.items()}


def _estimated(rows: Rows, terms: Terms) -> Mapping[str, float] | None:
    """What the metrics will be when labels come, of every row that was answered."""
    there = np.isfinite(rows.said if rows.said.ndim == 1 else rows.said.sum(axis=1))
    said = rows.said[there]
    if terms.losses is None:
        found = estimate(terms.task, terms.scores, said, threshold=terms.threshold)
    else:
        inputs = encode(rows.table, terms.features)[there].astype(np.float64)
        found = estimate_losses(terms.losses, inputs, said)
    return {name: round(value, 6) for name, value in flat(found).items()} or None


def _counted(group: Group) -> tuple[Sequence[Comparison], Sequence[Comparison]]:
    """Every row beside the reference, and then one row of each unit."""
    if group.reference is None:
        return (), ()
    every = compare(group.reference.profile, [group.rows.table])
    first = group.rows.first[group.column]
    if first.all():
        return every, every
    return every, compare(group.reference.profile, [group.rows.where(first).table])


def _drift(
    groups: Mapping[str, Group],
    counted: Mapping[str, tuple[Sequence[Comparison], Sequence[Comparison]]],
    quality: Mapping[str, QualityFound],
    terms: Terms,
) -> Iterator[tuple[str, DriftFound]]:
    asked: dict[str, list[Comparison]] = {}
    for name, (_, independent) in counted.items():
        faulty = broken_columns(quality[name]) if name in quality else set()
        kept = [c for c in independent if c.profile.name not in faulty]
        if kept and kept[0].rows >= MIN_ROWS:
            asked[name] = kept
    spans = {n: s for n in asked if (r := groups[n].reference) and (s := r.span) is not None}
    broken = WHOLE in quality and quality[WHOLE].broken
    joint = None
    if terms.beside is not None and WHOLE in asked and not broken:
        profiles = [c.profile for c in asked[WHOLE]]
        joint = find_joint(terms.beside, groups[WHOLE].rows.table, profiles, terms.alpha)
    alpha = terms.alpha * (1 - SHARE) if joint else terms.alpha
    for name, columns in find_drift_in(asked, alpha, spans).items():
        reference = groups[name].reference
        whole = joint if name == WHOLE else None
        found = any(c.drifted for c in columns) or (whole is not None and whole.drifted)
        yield (
            name,
            DriftFound(
                drifted=not broken and found,
                rows=asked[name][0].rows,
                columns=tuple(map(_column, columns)),
                reference=reference.name if reference else "",
                unit=terms.unit,
                joint=whole,
            ),
        )


def _column(found: ColumnDrift) -> ColumnFound:
    return ColumnFound(
        name=found.name,
        drifted=found.drifted,
        statistic=found.statistic,
        value=round(found.value, 6),
        threshold=round(found.threshold, 6),
        effect=round(found.effect, 6),
    )
