"""The page of an evaluation: `reports/evaluation.html`, for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops_cli._svg import scale
from mlops_cli._templates import render
from mlops_cli.bundle.manifest import short
from mlops_cli.config.metrics import LESS_IS_BETTER
from mlops_cli.evaluation.beside import Champion
from mlops_cli.evaluation.explained import Explanations
from mlops_cli.evaluation.fairness import Fairness
from mlops_cli.evaluation.report import Report, by_slices
from mlops_cli.evaluation.weak_spots import WeakSpot
from mlops_cli.reports.evaluation.champion import Against, against
from mlops_cli.reports.evaluation.lines import (
    Line,
    Lines,
    category_lines,
    example_lines,
    importance_lines,
    pair_lines,
    rate_lines,
    selection_said,
    slice_lines,
    stability_said,
)
from mlops_cli.reports.evaluation.plots import (
    HEIGHT,
    WIDTH,
    Plot,
    curve_plots,
    effect_plot,
    reliability_plot,
    residual_plots,
)
from mlops_cli.reports.self_contained import policy

TEMPLATE, STYLE = "reports/evaluation.html.j2", "reports/evaluation.css.j2"
FEATURES = 15  # that are drawn
_LEVELS = 6  # of a cell's colour
_EXAMPLES = ("A low one", "One in the middle", "A high one")


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric as the page's table has it: all are texts."""

    name: str
    value: str
    interval: str
    baseline: str
    gain: str
    sure: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the confusion matrix, and how dark it is, from 0."""

    rows: int
    share: str
    level: int


@dataclass(frozen=True, slots=True)
class Group:
    """Fairness of one column: a sentence, whether it is good news, and rates by group."""

    name: str
    said: str
    look: str
    rates: Sequence[Lines]


@dataclass(frozen=True, slots=True)
class Goes:
    """What the model goes by."""

    about: Explanations
    features: Lines
    more: int
    plots: Sequence[Plot]
    values: Sequence[Lines]
    pairs: Lines | None
    examples: Sequence[Lines]
    stability: str


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows of a report."""

    report: Report
    headline: MetricRow
    scale: Line
    rule: float | None
    metrics: Sequence[MetricRow]
    plots: Sequence[Plot]
    confusion: Sequence[tuple[str, Sequence[Cell]]]
    slices: Lines | None
    worse: Sequence[tuple[str, str]]
    biased: Sequence[tuple[str, str]]
    fairness: Sequence[Group]
    goes: Goes | None
    without: str
    champion: Against | None


def evaluation_page(project: str, report: Report, champion: Champion | None = None) -> str:
    """The page as HTML, with the `champion` beside the model where there is one.

    By itself: it loads nothing and runs nothing; in both colour schemes.
    """
    style = render(STYLE)
    return render(
        TEMPLATE,
        project=project,
        page=shown(report, champion),
        short=short,
        by_slices=by_slices,
        style=style,
        policy=policy(style),
        width=WIDTH,
        height=HEIGHT,
    )


def shown(report: Report, champion: Champion | None = None) -> Page:
    """What pages show of a report."""
    metrics = [_metric(report, name) for name in report.metrics]
    spots = report.weak_spots
    return Page(
        report=report,
        headline=metrics[0],
        scale=_scale(report)[0],
        rule=_scale(report)[1],
        metrics=metrics,
        plots=list(_plots(report)),
        confusion=_cells(report),
        slices=_slices(report),
        worse=[_spot(s, "loss {:+.3g}") for s in spots.losses] if spots else [],
        biased=[_spot(s, "{:+.3g}") for s in spots.biases] if spots else [],
        fairness=[_group(name, of) for name, of in report.fairness.items()],
        goes=_goes(report.explanations) if report.explanations else None,
        without=selection_said(report.selection),
        champion=against(report.metric, champion) if champion else None,
    )


def _metric(report: Report, name: str) -> MetricRow:
    of, gain = report.metrics[name], report.baseline.gain.get(name)
    base = report.baseline.metrics.get(name)
    return MetricRow(
        name,
        f"{of.value:.4g}",
        f"{of.low:.4g} to {of.high:.4g}",
        "" if base is None else f"{base:.4g}",
        "" if gain is None else f"{gain.value:+.3g} ({gain.low:+.3g} to {gain.high:+.3g})",
        gain is not None and gain.low > 0,
    )


def _scale(report: Report) -> tuple[Line, float | None]:
    """The main metric with its interval on a line, and where the baseline stands."""
    of, base = report.metrics[report.metric], report.baseline.metrics.get(report.metric)
    ends = [of.low, of.high, *([base] if base is not None else [])]
    if report.metric not in LESS_IS_BETTER and max(ends) <= 1:
        ends.append(1.0)
    low, high = min(ends), max(ends)
    room = (high - low) * 0.04 or abs(high) * 0.04 or 1.0
    place = scale(low - room, high + room, 0, 100)
    line = Line("", "", whisker=(place(of.low), place(of.high)), dot=place(of.value))
    return line, None if base is None else place(base)


def _plots(report: Report) -> Iterator[Plot]:
    if report.curves is not None and report.confusion is not None:
        auc = report.metrics.get("roc_auc")
        positive = report.confusion.rates.get(report.positive or "")
        base = positive.rows / report.rows if positive else 0.5
        yield from curve_plots(report.curves, auc.value if auc else None, base)
    if report.calibration is not None:
        yield reliability_plot(report.calibration)
    if report.residuals is not None:
        yield from residual_plots(report.residuals, report.target)


def _cells(report: Report) -> list[tuple[str, Sequence[Cell]]]:
    if report.confusion is None:
        return []
    names, rows = report.confusion.classes, report.confusion.rows
    return [
        (
            name,
            [
                Cell(
                    n,
                    f"{n / (sum(row) or 1):.0%}",
                    min(_LEVELS - 1, _LEVELS * n // (sum(row) or 1)),
                )
                for n in row
            ],
        )
        for name, row in zip(names, rows, strict=True)
    ]


def _slices(report: Report) -> Lines | None:
    if not report.slices:
        return None
    return slice_lines(report.slices, report.metric, report.metrics[report.metric].value)


def _spot(spot: WeakSpot, form: str) -> tuple[str, str]:
    between = f"({form.format(spot.low)} to {form.format(spot.high)})".replace("loss ", "")
    said = f"{form.format(spot.value)} {between}, {spot.rows:,} rows"
    return " and ".join(spot.conditions), said


def _group(name: str, of: Fairness) -> Group:
    impact = of.disparate_impact
    titles = {
        "selection_rate": "labelled positive",
        "true_positive_rate": "of the positive: found",
        "false_positive_rate": "of the negative: labelled positive",
    }
    rates = [rate_lines(of, rate, title) for rate, title in titles.items()]
    if impact is None:
        return Group(
            name, "Too few rows in its groups, or nobody selected: not compared.", "", rates
        )
    verdict = {
        (True, True): "The four-fifths rule holds, surely.",
        (True, False): "The four-fifths rule holds here; the rows are too few to be sure.",
        (False, True): "The four-fifths rule is broken, surely.",
        (False, False): "The four-fifths rule is broken here; it may be by chance.",
    }[impact.holds, impact.sure]
    said = (
        f"{verdict} {impact.lowest} is selected {impact.value:.2f} times as often as "
        f"{impact.highest} ({impact.low:.2f} to {impact.high:.2f})."
    )
    return Group(name, said, "well" if impact.holds else "ill", rates)


def _goes(of: Explanations) -> Goes:
    plots = [plot for e in of.features if (plot := effect_plot(e, of.space)) is not None]
    values = [lines for e in of.features if (lines := category_lines(e)) is not None]
    examples = [
        example_lines(example, title)
        for example, title in zip(of.examples, _EXAMPLES, strict=False)
    ]
    return Goes(
        of,
        importance_lines(of.features, FEATURES),
        max(0, len(of.features) - FEATURES),
        plots,
        values,
        pair_lines(of.pairs) if of.pairs else None,
        examples,
        stability_said(of.stability),
    )
