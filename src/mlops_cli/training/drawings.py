"""The charts of the hold-out as pictures (SVG), for whoever looks at the run in MLflow."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from mlops_cli._svg import Scale, line, scale, text, ticks
from mlops_cli.bundle.manifest import Task
from mlops_cli.training.charts import CHARTS, Chart

_WIDTH, _HEIGHT = 560, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 40, 55
_NAMES = 190  # of features and classes, beside the axis
_BARS = 25  # features of a drawing: the most used ones
_BLUE, _GRAY = "#2f6db3", "#888"
Row = dict[str, str]


def drawings(task: Task, tables: Mapping[str, str]) -> dict[str, str]:
    """`roc.svg` and its like, of the tables `roc.csv` and its like; an empty one is not drawn."""
    found = {}
    for chart in CHARTS[task]:
        rows = list(csv.DictReader(io.StringIO(tables[f"{chart.name}.csv"])))
        if rows:
            found[f"{chart.name}.svg"] = _draw(chart, rows)
    return found


def _draw(chart: Chart, rows: Sequence[Row]) -> str:
    match chart.mark:
        case "bar":
            inner = _bars(chart, rows[:_BARS])
        case "cell":
            inner = _cells(chart, rows)
        case "line" | "point":
            inner = _plane(chart, rows)
    labels = [
        text(_WIDTH / 2, 22, chart.title, size=15),
        text(_WIDTH / 2, _HEIGHT - 10, chart.x.replace("_", " ")),
    ]
    side = f'transform="rotate(-90 16 {_HEIGHT / 2})"'
    labels.append(text(16, _HEIGHT / 2, chart.y.replace("_", " "), more=side))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n'
        + "\n".join([*labels, *inner])
        + "\n</svg>\n"
    )


def _plane(chart: Chart, rows: Sequence[Row]) -> Iterator[str]:
    """Two axes of numbers, the guide, and a line or points."""
    xs, ys = [float(r[chart.x]) for r in rows], [float(r[chart.y]) for r in rows]
    x_ends, y_ends = _ends(chart, xs, ys)
    x, y = scale(*x_ends, _LEFT, _WIDTH - _RIGHT), scale(*y_ends, _HEIGHT - _BOTTOM, _TOP)
    yield from _across(x, x_ends)
    for tick in ticks(*y_ends):
        yield line(_LEFT, y(tick), _WIDTH - _RIGHT, y(tick), "#e4e4e4")
        yield text(_LEFT - 6, y(tick) + 4, f"{tick:g}", anchor="end")
    if chart.guide is not None:
        low, high = (0.0, 0.0) if chart.guide == "zero" else x_ends
        ends = (x(x_ends[0]), y(low), x(x_ends[1]), y(high))
        yield line(*ends, _GRAY, more='stroke-dasharray="4 4"')
    at = [(x(a), y(b)) for a, b in zip(xs, ys, strict=True)]
    if chart.mark == "line":
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in at)
        yield f'<polyline points="{points}" fill="none" stroke="{_BLUE}" stroke-width="2"/>'
    if chart.mark == "point" or chart.guide == "zero":
        yield from (
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{_BLUE}" fill-opacity="0.7"/>'
            for a, b in at
        )


def _bars(chart: Chart, rows: Sequence[Row]) -> Iterator[str]:
    longest = max(float(r[chart.x]) for r in rows) or 1.0
    x = scale(0, longest, _NAMES, _WIDTH - _RIGHT)
    yield from _across(x, (0, longest))
    height = (_HEIGHT - _TOP - _BOTTOM) / len(rows)
    for i, row in enumerate(rows):
        top, value = _TOP + i * height, float(row[chart.x])
        yield (
            f'<rect x="{_NAMES}" y="{top + height * 0.1:.1f}" width="{x(value) - _NAMES:.1f}" '
            f'height="{height * 0.8:.1f}" fill="{_BLUE}"><title>{value:g}</title></rect>'
        )
        size = min(12.0, height)
        yield text(_NAMES - 6, top + height / 2 + 4, row[chart.y], anchor="end", size=size)


def _cells(chart: Chart, rows: Sequence[Row]) -> Iterator[str]:
    classes = sorted({r[name] for r in rows for name in (chart.x, chart.y)})
    most = max(int(r["rows"]) for r in rows)
    wide = (_WIDTH - _NAMES - _RIGHT) / len(classes)
    high = (_HEIGHT - _TOP - _BOTTOM) / len(classes)
    for i, name in enumerate(classes):
        yield text(_NAMES - 6, _TOP + (i + 0.5) * high + 4, name, anchor="end")
        yield text(_NAMES + (i + 0.5) * wide, _HEIGHT - _BOTTOM + 16, name)
    for row in rows:
        left = _NAMES + classes.index(row[chart.x]) * wide
        top = _TOP + classes.index(row[chart.y]) * high
        share = int(row["rows"]) / most
        yield (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}" '
            f'fill="{_BLUE}" fill-opacity="{0.08 + 0.8 * share:.2f}" stroke="white"/>'
        )
        fill = "white" if share > 0.6 else "black"
        yield text(left + wide / 2, top + high / 2 + 4, row["rows"], more=f'fill="{fill}"')


def _ends(
    chart: Chart, xs: Sequence[float], ys: Sequence[float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of both axes: the same for shares and for what lies along a diagonal."""
    if chart.name in ("roc", "precision_recall", "calibration"):
        return (0.0, 1.0), (0.0, 1.0)
    if chart.guide == "diagonal":
        both = _around([*xs, *ys])
        return both, both
    return _around(xs), _around([*ys, 0.0])


def _around(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _across(x: Scale, ends: tuple[float, float]) -> Iterator[str]:
    for tick in ticks(*ends):
        yield line(x(tick), _TOP, x(tick), _HEIGHT - _BOTTOM, "#e4e4e4")
        yield text(x(tick), _HEIGHT - _BOTTOM + 16, f"{tick:g}")
