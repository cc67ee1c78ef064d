"""The evaluation in a model's card: what it gains, where it is weak, how it treats groups."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_cli.bundle.manifest import short
from mlops_cli.evaluation.fairness import Fairness
from mlops_cli.evaluation.report import Report, by_slices
from mlops_cli.reports.evaluation.lines import selection_said, stability_said
from mlops_cli.reports.markdown import code, escape

_FEATURES = 8
_SLICES = 30
_LONG = 4000  # characters


def evaluation_lines(report: Report) -> Iterator[str]:
    """The sections behind the metrics, as Markdown."""
    if report.served is not None:
        yield from (
            "",
            f"The metrics are those of {code(short(report.version))}, which had not seen the "
            f"hold-out. {code(short(report.served))} has the same parameters, and was fitted on "
            f"all {report.rows + report.fitted:,} rows, the hold-out's with them.",
        )
    gain = report.baseline.gain.get(report.metric)
    if gain is not None:
        yield from (
            "",
            f"Over predictions without any feature it gains {gain.value:.4g} of "
            f"{code(report.metric)} ({gain.low:.4g} to {gain.high:.4g}), on the same "
            f"{report.rows:,} rows.",
        )
    if report.calibration is not None:
        of = report.calibration
        yield from (
            "",
            f"Expected calibration error: {of.ece_corrected:.3f} without what chance adds "
            f"({of.ece:.3f} as it stands).",
        )
    yield from _slices(report)
    yield from _weak(report)
    yield from _fairness(report)
    if report.explanations is not None:
        shown = report.explanations.features[:_FEATURES]
        yield from ("", "## What it goes by", "", "| feature | share |", "|---|---|")
        yield from (f"| {escape(e.name)} | {e.share:.1%} |" for e in shown)
        yield from ("", stability_said(report.explanations.stability))
    if without := selection_said(report.selection):
        yield from ("", "## What it does without", "", escape(without, most=_LONG))


def _slices(report: Report) -> Iterator[str]:
    yield from ("", "## Slices", "")
    if not report.slices:
        yield "None are named in `evaluate.slices`."
        return
    yield from ("| slice | rows | value | 95 % interval | |", "|---|---|---|---|---|")
    for s in report.slices[:_SLICES]:
        known = s.value is not None and s.low is not None
        value = f"{s.value:.4g} | {s.low:.4g} to {s.high:.4g}" if known else "not defined | "
        worse = "surely worse than elsewhere" if s.worse else ""
        yield f"| {escape(s.name)} | {s.rows} | {value} | {worse} |"


def _weak(report: Report) -> Iterator[str]:
    spots = report.weak_spots
    for title, found in (
        ("Surely a greater loss than elsewhere", spots.losses if spots else ()),
        ("Surely predicted too low (+) or too high (-)", spots.biases if spots else ()),
    ):
        if found:
            yield from ("", f"{title}:", "")
        for spot in found:
            where = escape(" and ".join(spot.conditions))
            between = f"{spot.low:+.3g} to {spot.high:+.3g}"
            yield f"- {where}: {spot.value:+.3g} ({between}), {spot.rows} rows"


def _fairness(report: Report) -> Iterator[str]:
    if report.fairness or report.sensitive:
        yield from ("", "## Fairness")
    if report.sensitive:
        yield from ("", by_slices(report))
    for column, of in report.fairness.items():
        yield from ("", f"### {escape(column)}", "", _impact(of), "")
        yield "| group | rows | selection rate | true positive rate | false positive rate |"
        yield "|---|---|---|---|---|"
        for name, group in of.groups.items():
            rates = (group.selection_rate, group.true_positive_rate, group.false_positive_rate)
            cells = " | ".join("too few rows" if r is None else f"{r:.1%}" for r in rates)
            yield f"| {escape(name)} | {group.rows}{' (small)' if group.small else ''} | {cells} |"


def _impact(of: Fairness) -> str:
    impact = of.disparate_impact
    if impact is None:
        return "Too few rows in its groups, or nobody selected: not compared."
    holds = "holds" if impact.holds else "is broken"
    sure = ", surely" if impact.sure else ", by few rows"
    return (
        f"Disparate impact {impact.value:.3f} ({impact.low:.3f} to {impact.high:.3f}), "
        f"{escape(impact.lowest)} to {escape(impact.highest)}: the four-fifths rule {holds}{sure}."
    )
