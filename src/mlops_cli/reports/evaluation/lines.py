"""Lines of a page: a name, a bar or a point with its interval on one scale, and the number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_cli._svg import Scale, scale
from mlops_cli.evaluation.explained import Example, FeatureEffect, Pair, Stability
from mlops_cli.evaluation.fairness import Fairness, GroupRates
from mlops_cli.evaluation.selection import Selection
from mlops_cli.evaluation.slices import Slice

_NAMED = 40  # features that were left out


@dataclass(frozen=True, slots=True)
class Line:
    """One line. Marks are in percent of its width: `bar` and `whisker` from, to; `dot` a place.

    `look` is its colour's name, `detail` small text below its name.
    """

    name: str
    number: str
    detail: str = ""
    bar: tuple[float, float] | None = None
    whisker: tuple[float, float] | None = None
    dot: float | None = None
    look: str = "first"


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one scale; `rule` is where a value to compare with stands, `said` what it is."""

    title: str
    lines: Sequence[Line]
    rule: float | None = None
    said: str = ""


def importance_lines(effects: Sequence[FeatureEffect], most: int) -> Lines:
    """The features by how much they move the predictions, the first `most` of them."""
    shown = [e for e in effects[:most] if e.importance > 0]
    top = max((e.importance + 2 * e.error for e in shown), default=1.0) or 1.0
    place = scale(0, top, 0, 100)
    return Lines(
        "Features",
        [
            Line(
                e.name,
                f"{e.share:.1%}",
                bar=(0, place(e.importance)),
                whisker=(
                    max(0.0, place(e.importance - 2 * e.error)),
                    place(e.importance + 2 * e.error),
                ),
            )
            for e in shown
        ],
    )


def pair_lines(pairs: Sequence[Pair]) -> Lines:
    """Pairs of features that do something together."""
    top = max((p.strength for p in pairs), default=1.0) or 1.0
    return Lines(
        "Together",
        [
            Line(f"{p.one} × {p.other}", f"{p.strength:.3g}", bar=(0, 100 * p.strength / top))
            for p in pairs
        ],
    )


def category_lines(of: FeatureEffect) -> Lines | None:
    """What each value of a category contributes; None of a number."""
    if not of.steps or not any(isinstance(s.at, str) and s.at != "missing" for s in of.steps):
        return None
    ends = [e for s in of.steps for e in (s.low, s.high)]
    place, zero = _centred(ends)
    return Lines(
        of.name,
        [
            Line(
                str(s.at),
                f"{s.mean:+.3g}",
                bar=_between(zero, place(s.mean)),
                look="first" if s.mean >= 0 else "second",
            )
            for s in sorted(of.steps, key=lambda s: -s.mean)
        ],
        rule=zero,
    )


def example_lines(of: Example, title: str) -> Lines:
    """What made one row's number, the largest part first."""
    parts = [(f"{p.feature} = {p.value}", p.contribution) for p in of.parts]
    if of.rest:
        parts.append(("all other features", of.rest))
    place, zero = _centred([value for _, value in parts] or [0.0])
    return Lines(
        f"{title}: {of.base:+.3g} on average, {of.total:+.3g} here",
        [
            Line(
                name,
                f"{value:+.3g}",
                bar=_between(zero, place(value)),
                look="first" if value >= 0 else "second",
            )
            for name, value in parts
        ],
        rule=zero,
    )


def slice_lines(slices: Sequence[Slice], metric: str, whole: float) -> Lines:
    """The main metric of each part, beside that of all rows."""
    known = [s for s in slices if s.value is not None and s.low is not None and s.high is not None]
    ends = [whole, *(e for s in known for e in (s.low or 0.0, s.high or 0.0))]
    place = _spread(ends)
    lines = []
    for s in slices:
        if s.value is None or s.low is None or s.high is None:
            few = "too few rows" if s.excess is None else f"no {metric} there"
            lines.append(Line(s.name, few, f"{s.rows:,} rows", look="base"))
            continue
        lines.append(
            Line(
                s.name,
                f"{s.value:.4g}",
                f"{s.rows:,} rows" + (", surely worse than elsewhere" if s.worse else ""),
                whisker=(place(s.low), place(s.high)),
                dot=place(s.value),
                look="second" if s.worse else "first",
            )
        )
    return Lines(f"{metric} by slice", lines, rule=place(whole), said=f"all rows: {whole:.4g}")


def rate_lines(of: Fairness, rate: str, title: str) -> Lines:
    """One rate of each group."""
    lines = []
    for name, group in of.groups.items():
        value, interval = _rate(group, rate)
        if value is None or interval is None:
            lines.append(Line(name, "too few rows", f"{group.rows:,} rows", look="base"))
            continue
        lines.append(
            Line(
                name,
                f"{value:.1%}",
                f"{group.rows:,} rows" + (", small" if group.small else ""),
                whisker=(100 * interval[0], 100 * interval[1]),
                dot=100 * value,
                look="base" if group.small else "first",
            )
        )
    return Lines(title, lines)


def stability_said(of: Stability | None) -> str:
    """How far another fit would go by the same, in words."""
    if of is None:
        return "The model is one fit: whether another one would go by the same is not known."
    alike = (
        ""
        if of.rank_correlation is None
        else (
            f"; in the order of all features they agree with a rank correlation of "
            f"{of.rank_correlation:.2f} (1: the same order)"
        )
    )
    return (
        f"The model is an average of {of.fits} fits of the same rows: {of.same_first} of them go "
        f"most by the first feature{alike}."
    )


def selection_said(of: Selection | None) -> str:
    """Which features were left out, and by what, in words; empty where none were."""
    if of is None or not of.dropped:
        return ""
    names, left = [one.name for one in of.dropped], len(of.features)
    more = len(names) - _NAMED
    cost = next((s for s in of.sizes if s.features == left), None)
    price = ""
    if cost is not None and cost.error:
        price = (
            f" On folds of the training part a row costs {cost.loss:.3g} more with so many than "
            f"with the best number that was tried (standard error {cost.error:.2g})."
        )
    elif cost is not None:
        price = " On folds of the training part it was the best number that was tried."
    return (
        f"{left} of {left + len(names)} features were chosen ({of.method.replace('_', ' ')}), in "
        f"each fold by its own rows; the hold-out had no part in it.{price} Left out, the best of "
        f"them first: {', '.join(names[:_NAMED])}{f' and {more} more' if more > 0 else ''}."
    )


def _rate(group: GroupRates, rate: str) -> tuple[float | None, tuple[float, float] | None]:
    value: float | None = getattr(group, rate)
    return value, group.intervals.get(rate)


def _between(one: float, other: float) -> tuple[float, float]:
    return (one, other) if one <= other else (other, one)


def _centred(ends: Sequence[float]) -> tuple[Scale, float]:
    """A scale with 0 in it, and where that is."""
    low, high = min(0.0, *ends), max(0.0, *ends)
    place = _spread([low, high])
    return place, place(0.0)


def _spread(ends: Sequence[float]) -> Scale:
    low, high = min(ends), max(ends)
    room = (high - low) * 0.04 or abs(high) * 0.04 or 1.0
    return scale(low - room, high + room, 0, 100)
