"""The same windows as a table: what the pictures show, in words and numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlops_cli.monitoring.windows.records import Numbers, Window
from mlops_cli.reports.timelines.axis import Axis
from mlops_cli.reports.timelines.charts import Seen, milliseconds, plain, share

_NAMED = 5  # columns that drifted, by name
_SEGMENTS = 2  # in which they did, where all rows together did not


@dataclass(frozen=True, slots=True)
class Table:
    """A row for each window, the newest first; columns that are empty throughout are left out."""

    heads: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]  # with its step on the axis


def table_of(seen: Sequence[Seen], metric: str, axis: Axis) -> Table:
    """The table of a part."""
    columns: Mapping[str, Callable[[Seen], str]] = {
        "window": lambda s: axis.name(s.window.start),
        "rows": lambda s: f"{s.found.rows:,}",
        "expected": _expected,
        "drifted": drifted_columns,
        f"{metric} by labels": lambda s: _figure(s.found.performance, metric, plain),
        "labels of": _labels,
        f"{metric} estimated": lambda s: _figure(s.found.estimated, metric, plain),
        "predictions moved": lambda s: _figure(s.found.prediction_drift, "prediction_drift", share),
        "labels moved": lambda s: _figure(s.found.target_drift, "target_drift", share),
        "concept drift": _concept,
        "more missing": lambda s: _quality(s, "null_rate"),
        "unseen": lambda s: _quality(s, "unseen_rate"),
        "out of range": lambda s: _quality(s, "out_of_range"),
        "p50": lambda s: _latency(s, "p50"),
        "p95": lambda s: _latency(s, "p95"),
        "p99": lambda s: _latency(s, "p99"),
        "errors": _errors,
        "version": lambda s: s.window.version if s.found is s.window else "",
        "remarks": lambda s: "; ".join(_remarks(s)),
    }
    cells = {head: [of(one) for one in seen] for head, of in columns.items()}
    kept = [head for head, column in cells.items() if any(column)]
    rows = [(one.step, [cells[head][i] for head in kept]) for i, one in enumerate(seen)]
    return Table(kept, rows[::-1])


def drifted_columns(one: Seen) -> str:
    """The columns that drifted, the first of them by name."""
    if one.found.drift is None or not one.found.drift.drifted:
        return ""
    names = one.found.drift.named
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    told = ", ".join(names[:_NAMED]) + more or "yes"
    return f"how {told} go together" if one.found.drift.together else told


def _concept(one: Seen) -> str:
    """What labels show of the loss, beside what was expected, where that is more than chance."""
    found = one.found.concept_drift
    if found is None or not found.drifted:
        return ""
    return f"{found.loss} {plain(found.seen)}, {plain(found.expected)} was expected"


def state_of(windows: Sequence[Window], metric: str) -> list[str]:
    """The verdict on the newest window, and what labels said last: there must be a window."""
    newest = windows[-1]
    found = list(_data_of(newest)) or ["as before"]
    if newest.estimated and metric in newest.estimated:
        check = newest.estimate_check
        doubt = "" if check is None or check.reliable else ", which is not reliable now"
        found.append(f"{metric} estimated as {_figure(newest.estimated, metric, plain)}{doubt}")
    labelled = (w for w in reversed(windows) if w.performance and metric in w.performance)
    last = next(labelled, None)
    if last is not None:
        when = "" if last is newest else f" on {last.start:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
        labels = _labels(Seen(0, last, last))
        count = f", of {labels}" if labels else ""
        found.append(f"{metric} by labels{when}: {_figure(last.performance, metric, plain)}{count}")
    return found


def _data_of(window: Window) -> Iterator[str]:
    if not window.rows:
        yield "nothing was asked"
    if window.quality is not None and window.quality.broken:
        yield f"broken data: {'; '.join(window.quality.faults) or 'see the table'}"
    whole = drifted_columns(Seen(0, window, window))
    of = {name: drifted_columns(Seen(0, window, part)) for name, part in window.segments.items()}
    segments = {name: columns for name, columns in of.items() if columns}
    if whole:
        yield f"drift in {whole}"
    else:
        yield from (f"drift in {of} of {name}" for name, of in [*segments.items()][:_SEGMENTS])
        segments = dict([*segments.items()][_SEGMENTS:])
    if concept := _concept(Seen(0, window, window)):
        yield f"concept drift: {concept}"
    if segments:
        yield f"drift in {len(segments)}{'' if whole else ' more'} of the segments"


def _figure(numbers: Numbers | None, name: str, write: Callable[[float], str]) -> str:
    if not numbers or name not in numbers:
        return ""
    said = write(numbers[name])
    low, high = numbers.get(f"{name}_low"), numbers.get(f"{name}_high")
    return said if low is None or high is None else f"{said} ({write(low)} to {write(high)})"


def _expected(one: Seen) -> str:
    if one.found is not one.window or one.window.volume is None:
        return ""
    expected = one.window.volume.expected
    return "" if expected is None else f"{expected:,.0f}"


def _labels(one: Seen) -> str:
    labels = one.found.labels
    if labels is None or not labels.labelled:
        return ""
    state = "biased" if labels.biased else "partial" if labels.partial else ""
    return f"{labels.labelled:,} of {labels.rows:,} rows" + (f" ({state})" if state else "")


def _quality(one: Seen, name: str) -> str:
    figures = one.found.quality.figures if one.found.quality else {}
    return share(figures[name]) if name in figures else ""


def _latency(one: Seen, name: str) -> str:
    latency = one.window.latency if one.found is one.window else None
    return milliseconds(latency[name]) if latency and name in latency else ""


def _errors(one: Seen) -> str:
    errors = one.window.errors if one.found is one.window else None
    return "" if errors is None else share(errors)


def _remarks(one: Seen) -> Iterator[str]:
    if one.found.quality is not None and one.found.quality.broken:
        yield f"broken data: {', '.join(one.found.quality.faults)}"
    if one.found.labels is not None and one.found.labels.biased:
        yield one.found.labels.biased
    if one.found is one.window:
        yield from one.window.remarks
