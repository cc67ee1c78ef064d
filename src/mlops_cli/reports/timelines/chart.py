"""A chart over the common time axis: lines with bands, as paths of SVG in steps and percent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlops_cli._svg import scale, ticks
from mlops_cli.reports.timelines.axis import Axis, Tick

_HUGE, _TINY = 1e300, 1e-300  # beyond these an axis is no longer a number
_DOTTED = 40  # windows up to which every value has a dot
_ROOM = 0.06  # of the height, above and below


@dataclass(frozen=True, slots=True)
class Point:
    """A value of the window `step`, with the ends of its interval; `marked` points stand out."""

    step: int
    value: float
    low: float | None = None
    high: float | None = None
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A figure over time; `look` is the class that the page draws it by."""

    name: str
    look: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Form:
    """How values are written, and whether the axis begins at 0, and then reaches `least`."""

    write: Callable[[float], str]
    from_zero: bool = False
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """The paths of a line: itself, its band, and the dots of values that stand out."""

    name: str
    look: str
    path: str
    band: str
    dots: str
    marks: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture: `ticks` of the values, its lines, and in words what it shows."""

    title: str
    ticks: Sequence[Tick]
    lines: Sequence[DrawnLine]
    words: str
    notes: Sequence[str] = ()
    mark: str = ""  # what a marked point means


def draw(
    title: str, lines: Sequence[Line], form: Form, axis: Axis, *, notes: Sequence[str] = (),
    mark: str = "",
) -> Chart | None:  # fmt: skip
    """The chart of those lines that have a value; None where none has."""
    shown = [line for line in map(_finite, lines) if line.points]
    if not shown:
        return None
    low, high = _range(shown, form)
    place = scale(low, high, 100.0, 0.0)
    marked = any(point.marked for line in shown for point in line.points)
    return Chart(
        title=title,
        ticks=[Tick(round(place(at), 2), form.write(at)) for at in ticks(low, high)],
        lines=[_drawn(line, place, dotted=axis.count <= _DOTTED) for line in shown],
        words=f"{title}. {' '.join(_words(line, form, axis) for line in shown)}",
        notes=notes,
        mark=mark if marked else "",
    )


def number(value: float) -> str:
    """A coordinate as short as SVG takes it."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def _finite(line: Line) -> Line:
    points = [p for p in line.points if math.isfinite(p.value) and abs(p.value) < _HUGE]
    return Line(line.name, line.look, points)


def _ends(point: Point) -> tuple[float, float]:
    low = point.value if point.low is None else max(point.low, -_HUGE)
    high = point.value if point.high is None else min(point.high, _HUGE)
    return low, high


def _range(lines: Iterable[Line], form: Form) -> tuple[float, float]:
    ends = [end for line in lines for p in line.points for end in (p.value, *_ends(p))]
    low, high = min(ends), max(ends)
    if form.from_zero:
        low, high = min(low, 0.0), max(high, form.least)
    if high - low <= max(abs(low), abs(high)) * 1e-9 + _TINY:
        room = max(abs(low), abs(high)) * 0.05 or 0.5
        low, high = (0.0, 2 * room) if form.from_zero else (low - room, high + room)
    room = (high - low) * _ROOM
    return (low if form.from_zero and low == 0 else low - room), high + room


def _drawn(line: Line, place: Callable[[float], float], *, dotted: bool) -> DrawnLine:
    runs = list(_runs(line.points))
    alone = {run[0].step for run in runs if len(run) == 1}
    plain = [p for p in line.points if not p.marked and (dotted or p.step in alone)]
    return DrawnLine(
        name=line.name,
        look=line.look,
        path="".join(_path([(p.step + 0.5, place(p.value)) for p in run]) for run in runs),
        band="".join(_band(run, place) for run in runs if all(p.low is not None for p in run)),
        dots=_dots(plain, place),
        marks=_dots([p for p in line.points if p.marked], place),
    )


def _runs(points: Sequence[Point]) -> Iterator[list[Point]]:
    """The points without a gap between them, and with or without an interval."""
    run = [points[0]]
    for before, point in pairwise(points):
        if not _joined(before, point):
            yield run
            run = []
        run.append(point)
    yield run


def _joined(before: Point, point: Point) -> bool:
    return point.step == before.step + 1 and (before.low is None) == (point.low is None)


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in places)


def _band(run: Sequence[Point], place: Callable[[float], float]) -> str:
    """Between both ends, as wide as the windows: a single one has a band, too."""
    edges = [(run[0].step, run[0]), *((p.step + 0.5, p) for p in run), (run[-1].step + 1, run[-1])]
    above = [(float(x), place(_ends(p)[1])) for x, p in edges]
    below = [(float(x), place(_ends(p)[0])) for x, p in reversed(edges)]
    return f"{_path([*above, *below])}Z"


def _dots(points: Iterable[Point], place: Callable[[float], float]) -> str:
    """Lines without a length: their round ends are dots, however the picture is stretched."""
    return "".join(f"M{number(p.step + 0.5)} {number(place(p.value))}h0" for p in points)


def _words(line: Line, form: Form, axis: Axis) -> str:
    last = line.points[-1]
    least, most = (by(line.points, key=lambda p: p.value) for by in (min, max))
    between = ""
    if last.low is not None and last.high is not None:
        between = f" ({form.write(last.low)} to {form.write(last.high)})"
    return (
        f"{line.name}: {form.write(last.value)}{between} on {_when(last, axis)}; lowest "
        f"{form.write(least.value)} on {_when(least, axis)}, highest {form.write(most.value)} on "
        f"{_when(most, axis)}."
    )


def _when(point: Point, axis: Axis) -> str:
    return axis.name(axis.start + point.step * axis.step)
