"""Pictures on two axes of numbers, as paths that the page's template draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mlops_cli._svg import scale, ticks
from mlops_cli.evaluation.curves import Curves
from mlops_cli.evaluation.explained import FeatureEffect
from mlops_cli.evaluation.reliability import Reliability
from mlops_cli.evaluation.residuals import Residuals

WIDTH, HEIGHT = 340, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 10, 40
_LEVELS = 5  # of how many rows a cell has
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Path:
    """A shape of the look `look`."""

    look: str
    d: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture: its axes, shapes and legend; `words` say what it shows to who cannot see it."""

    title: str
    x: str
    y: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    paths: Sequence[Path]
    words: str
    note: str = ""
    legend: Sequence[tuple[str, str]] = field(default=())


class _Plane:
    """Shapes in pixels between two ends of each axis."""

    def __init__(self, x: Ends, y: Ends) -> None:
        self._x, self._y = (_apart(*x), _apart(*y))
        self.across = scale(*self._x, _LEFT, WIDTH - _RIGHT)
        self.up = scale(*self._y, HEIGHT - _BOTTOM, _TOP)

    def x_ticks(self) -> list[tuple[float, str]]:
        return [(round(self.across(t), 1), f"{t:.6g}") for t in ticks(*self._x)]

    def y_ticks(self) -> list[tuple[float, str]]:
        return [(round(self.up(t), 1), f"{t:.6g}") for t in ticks(*self._y)]

    def line(self, look: str, xs: Sequence[float], ys: Sequence[float]) -> Path:
        return Path(look, "M" + "L".join(self._at(x, y) for x, y in zip(xs, ys, strict=True)))

    def band(
        self, look: str, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float]
    ) -> Path:
        there = [self._at(x, y) for x, y in zip(xs, highs, strict=True)]
        back = [self._at(x, y) for x, y in zip(reversed(xs), reversed(lows), strict=True)]
        return Path(look, f"M{'L'.join([*there, *back])}z")

    def dots(self, look: str, xs: Sequence[float], ys: Sequence[float]) -> Path:
        return Path(look, "".join(f"M{self._at(x, y)}h0" for x, y in zip(xs, ys, strict=True)))

    def whiskers(
        self, look: str, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float]
    ) -> Path:
        ends = zip(xs, lows, highs, strict=True)
        return Path(look, "".join(f"M{self._at(x, a)}L{self._at(x, b)}" for x, a, b in ends))

    def boxes(self, look: str, boxes: Iterable[tuple[float, float, float, float]]) -> Path:
        shapes = []
        for left, right, low, high in boxes:
            x1, x2 = self.across(left), self.across(right)
            y1, y2 = self.up(high), self.up(low)
            shapes.append(f"M{x1:.1f} {y1:.1f}H{x2:.1f}V{y2:.1f}H{x1:.1f}z")
        return Path(look, "".join(shapes))

    def _at(self, x: float, y: float) -> str:
        return f"{self.across(x):.1f} {self.up(y):.1f}"


def _apart(low: float, high: float) -> Ends:
    return (
        (low, high)
        if high > low
        else (low - (abs(low) or 1.0) * 0.05, low + (abs(low) or 1.0) * 0.05)
    )


def _grid(points: int) -> list[float]:
    return [i / (points - 1) for i in range(points)]


def curve_plots(curves: Curves, auc: float | None, base: float) -> list[Plot]:
    """ROC, precision by recall, and gain."""
    grid = _grid(len(curves.roc))
    unit = _Plane((0, 1), (0, 1))
    x_ticks, y_ticks = unit.x_ticks(), unit.y_ticks()
    diagonal = unit.line("guide", (0, 1), (0, 1))
    roc = unit.line("line first", [0, *grid], [0, *curves.roc])
    precision = unit.line("line first", grid, curves.precision)
    gain = unit.line("line first", grid, curves.gain)
    best = unit.line("guide", (0, base, 1), (0, 1, 1))
    tenth = curves.gain[10] if len(curves.gain) > 10 else 0.0
    return [
        Plot(
            "ROC", "false positive rate", "true positive rate", x_ticks, y_ticks,
            paths=[diagonal, roc],
            words=f"ROC curve, area {auc:.3f}" if auc is not None else "ROC curve",
        ),
        Plot(
            "Precision by recall", "recall", "precision", x_ticks, y_ticks,
            paths=[unit.line("guide", (0, 1), (base, base)), precision],
            words=f"precision by recall; {base:.3f} of the rows are positive",
            note=f"dotted: {base:.1%} of the rows are positive",
        ),
        Plot(
            "Gain", "share of rows, the likeliest first", "share of positives found",
            x_ticks, y_ticks,
            paths=[diagonal, best, gain],
            words=f"the likeliest tenth of the rows has {tenth:.0%} of the positives",
            note=f"The likeliest tenth of the rows holds {tenth:.0%} of the positives "
            f"(lift {curves.lift[0]:.2f}). Dotted: by chance, and the best possible.",
        ),
    ]  # fmt: skip


def reliability_plot(of: Reliability) -> Plot:
    """The share that came true by the probability, with intervals."""
    plane = _Plane((0, 1), (0, 1))
    xs = [b.predicted for b in of.bins]
    return Plot(
        title="Do probabilities mean what they say?",
        x="predicted",
        y="observed",
        x_ticks=plane.x_ticks(),
        y_ticks=plane.y_ticks(),
        paths=[
            plane.line("guide", (0, 1), (0, 1)),
            plane.whiskers(
                "whisker first", xs, [b.low for b in of.bins], [b.high for b in of.bins]
            ),
            plane.line("thin first", xs, [b.observed for b in of.bins]),
            plane.dots("dot first", xs, [b.observed for b in of.bins]),
        ],
        words=f"reliability in {len(of.bins)} bins; calibration error {of.ece_corrected:.3f}",
        note=f"Calibration error (ECE) {of.ece_corrected:.3f} without what chance adds; "
        f"{of.ece:.3f} as it stands, of which a perfect model would show {of.noise:.3f}.",
    )


def residual_plots(of: Residuals, target: str) -> list[Plot]:
    """Predictions and targets as a field of rows; residuals by tenth, and as a distribution."""
    ends = (of.low, of.high)
    square = _Plane(ends, ends)
    side = (of.high - of.low) / len(of.cells)
    most = max(max(row) for row in of.cells) or 1
    levels: list[list[tuple[float, float, float, float]]] = [[] for _ in range(_LEVELS)]
    for j, row in enumerate(of.cells):
        for i, n in enumerate(row):
            if n:
                level = min(_LEVELS - 1, int((n / most) ** 0.5 * _LEVELS))
                left, low = of.low + i * side, of.low + j * side
                levels[level].append((left, left + side, low, low + side))
    field_ = [square.boxes(f"cell l{i}", boxes) for i, boxes in enumerate(levels) if boxes]
    xs = [t.predicted for t in of.tenths]
    lows, highs = [t.low for t in of.tenths], [t.high for t in of.tenths]
    plane = _Plane(_around(xs), _around([*lows, *highs, 0.0]))
    bars = _Plane((of.edges[0], of.edges[-1]), (0, max(of.bars) or 1))
    shapes = zip(of.edges, of.edges[1:], of.bars, strict=False)
    low, high = of.quantiles[0], of.quantiles[-1]
    return [
        Plot(
            "Predicted and actual", "predicted", target, square.x_ticks(), square.y_ticks(),
            [*field_, square.line("guide", ends, ends)],
            "predictions across, targets up, darker where there are more rows",
        ),
        Plot(
            "Mean error by prediction", "predicted", "target less prediction",
            plane.x_ticks(), plane.y_ticks(),
            [
                plane.line("guide", _around(xs), (0, 0)),
                plane.whiskers("whisker first", xs, lows, highs),
                plane.dots("dot first", xs, [t.residual for t in of.tenths]),
            ],
            "mean residual by tenth of the predictions, with 95 % intervals",
            note="Above the line the model predicts too low. Bars are 95 % intervals.",
        ),
        Plot(
            "Errors", "target less prediction", "rows", bars.x_ticks(), bars.y_ticks(),
            [bars.boxes("bar first", ((a, b, 0, n) for a, b, n in shapes))],
            f"nine of ten errors lie between {low:.4g} and {high:.4g}",
            note=f"Nine of ten lie between {low:.4g} and {high:.4g}, half between "
            f"{of.quantiles[1]:.4g} and {of.quantiles[3]:.4g}.",
        ),
    ]  # fmt: skip


def effect_plot(of: FeatureEffect, space: str) -> Plot | None:
    """How a number moves the predictions; None of a category."""
    steps = [s for s in of.steps if not isinstance(s.at, str)]
    if len(steps) < 2:
        return None
    xs = [float(s.at) for s in steps]
    lows, highs = [s.low for s in steps], [s.high for s in steps]
    plane = _Plane(_around(xs), _around([*lows, *highs, 0.0]))
    missing = next((s for s in of.steps if s.at == "missing"), None)
    return Plot(
        of.name,
        of.name,
        f"contribution to the {space}",
        plane.x_ticks(),
        plane.y_ticks(),
        [
            plane.line("guide", _around(xs), (0, 0)),
            plane.band("band first", xs, lows, highs),
            plane.line("line first", xs, [s.mean for s in steps]),
            plane.dots("dot small first", xs, [s.mean for s in steps]),
        ],
        f"mean contribution of {of.name}, from {steps[0].mean:.3g} to {steps[-1].mean:.3g}",
        note=f"missing: {missing.mean:+.3g}" if missing else "",
    )


def _around(values: Sequence[float]) -> Ends:
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - room, high + room
