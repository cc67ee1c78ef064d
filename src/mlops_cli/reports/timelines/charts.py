"""The charts of one part of the rows: which figures of the windows stand in which picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlops_cli.monitoring.performance.estimate import BLIND
from mlops_cli.monitoring.windows.records import Numbers, Part, Window
from mlops_cli.reports.timelines.axis import Axis
from mlops_cli.reports.timelines.chart import Chart, Form, Line, Point, draw

ENDS = ("_low", "_high")
PARTIAL = "labels are still to come, or came in a biased order"
MOVED = "more than chance"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found of a part of a window's rows: of all (`found` is the window) or a segment."""

    step: int
    window: Window
    found: Window | Part


def plain(value: float) -> str:
    """A figure in four digits."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def share(value: float) -> str:
    """A share (0 to 1) in percent."""
    return f"{100 * value:.3g} %"


def milliseconds(value: float) -> str:
    """A time, in seconds from 1,000 milliseconds on."""
    return f"{value / 1000:.3g} s" if abs(value) >= 1000 else f"{value:.3g} ms"


_SHARE = Form(share, from_zero=True, least=0.01)


def performance_of(
    seen: Sequence[Seen], metric: str, axis: Axis
) -> tuple[Chart | None, list[Chart]]:
    """The chart of the main metric, and those of the others.

    What has no value in any window has no chart, here and in `charts_of`.
    """
    others = [_performance(seen, name, axis) for name in _metrics(seen) if name != metric]
    return _performance(seen, metric, axis), [c for c in others if c is not None]


def charts_of(seen: Sequence[Seen], axis: Axis) -> list[Chart]:
    """The other charts of a part, in the order of the page."""
    makers = (_outcomes, _quality, _volume, _latency, _errors, _skew)
    return [chart for make in makers if (chart := make(seen, axis)) is not None]


def _metrics(seen: Iterable[Seen]) -> list[str]:
    found: dict[str, None] = {}
    for one in seen:
        for numbers in (one.found.performance, one.found.estimated):
            found |= dict.fromkeys(name for name in numbers or {} if not name.endswith(ENDS))
    return list(found)


def _performance(seen: Sequence[Seen], metric: str, axis: Axis) -> Chart | None:
    true = list(_Figures((s, s.found.performance) for s in seen if s.found.performance).of(metric))
    true = [_with_doubt(p, seen) for p in true]
    estimated = list(_Figures((s, s.found.estimated) for s in seen if s.found.estimated).of(metric))
    if not true and not estimated:
        return None
    baseline = [
        Point(s.step, s.window.baseline[metric])
        for s in seen
        if s.window.baseline and metric in s.window.baseline
    ]
    whole = seen[-1].found is seen[-1].window
    lines = [
        Line("at training" if whole else "of all rows at training", "base", baseline),
        Line("estimated without labels", "estimated", estimated),
        Line("by labels", "true", true),
    ]
    notes = [BLIND] if estimated else []
    if estimated and whole and (check := _newest_check(seen)):
        notes.append(check)
    return draw(f"Performance: {metric}", lines, Form(plain), axis, notes=notes, mark=PARTIAL)


def _newest_check(seen: Sequence[Seen]) -> str:
    check = next((s.window.estimate_check for s in reversed(seen) if s.window.estimate_check), None)
    if check is None or check.reliable:
        return ""
    return (
        f"The estimate is not reliable now: of {check.windows} windows with labels {check.missed} "
        "lay outside of its interval."
    )


def _with_doubt(point: Point, seen: Sequence[Seen]) -> Point:
    labels = next(s.found.labels for s in seen if s.step == point.step)
    doubt = labels is not None and (labels.partial or labels.biased is not None)
    return Point(point.step, point.value, point.low, point.high, marked=doubt)


class _Figures:
    """The points of one figure after another, of the windows that have any figures."""

    def __init__(self, found: Iterable[tuple[Seen, Numbers]]) -> None:
        self._found = list(found)

    def of(self, name: str, *, marked: bool = False) -> Iterator[Point]:
        """The points of `name`; those where its test found drift stand out, if they are to."""
        for one, numbers in self._found:
            if name in numbers:
                low, high = numbers.get(f"{name}_low"), numbers.get(f"{name}_high")
                if low is None or high is None:
                    low = high = None
                drifted = marked and bool(numbers.get("drifted"))
                yield Point(one.step, numbers[name], low, high, marked=drifted)


def _outcomes(seen: Sequence[Seen], axis: Axis) -> Chart | None:
    said = _Figures((s, s.found.prediction_drift) for s in seen if s.found.prediction_drift)
    came = _Figures((s, s.found.target_drift) for s in seen if s.found.target_drift)
    lines = [
        Line("labels", "second", list(came.of("target_drift", marked=True))),
        Line("predictions", "first", list(said.of("prediction_drift", marked=True))),
    ]
    title = "How far predictions and labels moved, share of rows"
    return draw(title, lines, _SHARE, axis, mark=MOVED)


def _quality(seen: Sequence[Seen], axis: Axis) -> Chart | None:
    figures = _Figures((s, s.found.quality.figures) for s in seen if s.found.quality)
    lines = [
        Line("beyond training's range", "third", list(figures.of("out_of_range"))),
        Line("unseen texts", "second", list(figures.of("unseen_rate"))),
        Line("more missing than at training", "first", list(figures.of("null_rate"))),
    ]
    return draw("Quality: the worst column, share of rows", lines, _SHARE, axis)


def _volume(seen: Sequence[Seen], axis: Axis) -> Chart | None:
    rows = [Point(s.step, s.found.rows, marked=not s.found.rows) for s in seen]
    expected = [
        Point(s.step, s.window.volume.expected)
        for s in seen
        if s.found is s.window and s.window.volume and s.window.volume.expected is not None
    ]
    lines = [Line("expected", "base", expected), Line("rows", "first", rows)]
    return draw("Volume", lines, Form(plain, from_zero=True), axis, mark="nothing was asked")


def _latency(seen: Sequence[Seen], axis: Axis) -> Chart | None:
    figures = _Figures(
        (s, s.window.latency) for s in seen if s.found is s.window and s.window.latency
    )
    looks = {"p99": "third", "p95": "second", "p50": "first"}
    lines = [Line(name, look, list(figures.of(name))) for name, look in looks.items()]
    return draw("Latency of requests", lines, Form(milliseconds, from_zero=True), axis)


def _errors(seen: Sequence[Seen], axis: Axis) -> Chart | None:
    errors = [
        Point(s.step, s.window.errors)
        for s in seen
        if s.found is s.window and s.window.errors is not None
    ]
    lines = [Line("failed requests", "first", errors)]
    return draw("Errors: requests that the model failed", lines, _SHARE, axis)


def _skew(seen: Sequence[Seen], axis: Axis) -> Chart | None:
    found = [(s, s.window.skew) for s in seen if s.found is s.window and s.window.skew]
    names = [n for n in (found[-1][1] if found else {}) if not n.endswith((*ENDS, "drifted"))]
    looks = ("first", "second", "third")
    figures = _Figures(found)
    lines = [Line(n, look, list(figures.of(n))) for n, look in zip(names, looks, strict=False)]
    title = "Skew: logged inputs against features computed now"
    return draw(title, lines, Form(plain, from_zero=True), axis)


def faults_of(seen: Iterable[Seen]) -> Mapping[int, Sequence[str]]:
    """The steps whose data is broken, and why."""
    return {
        s.step: s.found.quality.faults for s in seen if s.found.quality and s.found.quality.broken
    }
