"""A judged window as the observations that alerts are held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from mlops_cli.alerts.base import Metric, Observation
from mlops_cli.monitoring.collected.operations import Speed
from mlops_cli.monitoring.judging.quality import LEAST
from mlops_cli.monitoring.windows.records import (
    ColumnQuality,
    EstimateCheck,
    Numbers,
    Part,
    QualityFound,
    Window,
)

MINUTE = timedelta(minutes=1)
_NOT_METRICS = ("_low", "_high")


def observations_of(window: Window) -> Iterator[Observation]:
    """What alerts see of a window: all of its rows, then each segment.

    Performance of labels that are few, came in a biased order, or are partly still to come, is no
    figure to alarm on.
    """
    whole = Part(
        rows=window.rows,
        drift=window.drift,
        prediction_drift=window.prediction_drift,
        quality=window.quality,
        labels=window.labels,
        performance=window.performance,
        estimated=window.estimated if _holds(window.estimate_check) else None,
        target_drift=window.target_drift,
        concept_drift=window.concept_drift,
    )
    metrics = _of_part(whole, window.baseline)
    if window.volume is not None:
        metrics["volume"] = Metric(window.volume.rows, baseline=window.volume.expected)
    if window.skew is not None:
        metrics["skew"] = Metric(window.skew.get("skewed", 0.0))
    yield _observation(window, None, metrics, whole)
    for name, part in window.segments.items():
        found = _of_part(part, window.baseline)
        if found:
            yield _observation(window, name, found, part)


def _holds(check: EstimateCheck | None) -> bool:
    """Whether there is no reason to doubt the estimates: one that fails its check is no figure."""
    return check is None or check.reliable


def minutes_of(window: Window, minutes: Mapping[datetime, Speed]) -> Iterator[Observation]:
    """What alerts see of each minute of a window in which something was asked."""
    for start, speed in minutes.items():
        metrics = {f"latency_{name}": Metric(ms) for name, ms in speed.latency.items()}
        metrics["error_rate"] = Metric(speed.errors)
        yield Observation(
            start=start,
            end=start + MINUTE,
            target=window.target,
            version=window.version,
            segment=None,
            metrics=metrics,
        )


def _observation(
    window: Window, segment: str | None, metrics: Mapping[str, Metric], part: Part
) -> Observation:
    drifted = part.drift.named if part.drift is not None else ()
    return Observation(
        start=window.start,
        end=window.end,
        target=window.target,
        version=window.version,
        segment=segment,
        metrics=metrics,
        columns=drifted,
        broken=window.broken,
        columns_of=_worst_of(part.quality) if part.quality is not None else {},
    )


def _worst_of(quality: QualityFound) -> dict[str, tuple[str, ...]]:
    """The columns that have something of each figure, the worst first: not those that drifted."""

    def worst(share: Callable[[ColumnQuality], float]) -> tuple[str, ...]:
        there = [q for q in quality.columns if share(q) >= LEAST]
        return tuple(q.name for q in sorted(there, key=share, reverse=True))

    return {
        "null_rate": worst(lambda q: q.rise),
        "unseen_rate": worst(lambda q: q.unseen),
        "out_of_range": worst(lambda q: q.out_of_range),
    }


def _of_part(part: Part, baseline: Numbers | None) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    if part.drift is not None:
        found["drift"] = Metric(float(part.drift.drifted))
    if part.prediction_drift is not None:
        found |= _with_intervals(part.prediction_drift, {})
    if part.quality is not None:
        found |= _with_intervals(part.quality.figures, {})
    trusted = part.labels is not None and part.labels.trusted
    if part.performance is not None and trusted:
        found |= _with_intervals(part.performance, baseline or {})
    if part.target_drift is not None and trusted:
        found["target_drift"] = Metric(part.target_drift.get("drifted", 0.0))
    if part.concept_drift is not None:
        found["concept_drift"] = Metric(float(part.concept_drift.drifted))
    if part.estimated is not None:
        estimated = _with_intervals(part.estimated, baseline or {})
        found |= {f"estimated_{name}": metric for name, metric in estimated.items()}
    return found


def _with_intervals(numbers: Numbers, baseline: Numbers) -> dict[str, Metric]:
    names = [n for n in numbers if not n.endswith(_NOT_METRICS) and n != "drifted"]
    return {
        name: Metric(
            value=numbers[name],
            low=numbers.get(f"{name}_low"),
            high=numbers.get(f"{name}_high"),
            baseline=baseline.get(name),
        )
        for name in names
    }
