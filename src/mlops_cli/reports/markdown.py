"""A model's report as Markdown, for a pull request or a job's summary on GitHub."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from mlops_cli.bundle.manifest import short
from mlops_cli.experiments.found import AbResult, LiftFound
from mlops_cli.governance.decision import GateResult
from mlops_cli.reports.model import MetricChange, ReportResult, TrainingDrift

MOST_ROWS = 40  # of a table: a comment holds 65,536 characters, and people read fewer
MOST_TEXT = 600
MOST_NAME = 80
_SAID = {
    "passed": "passes its gates",
    "refused": "is refused by its gates",
    "inconclusive": "is neither passed nor refused: the hold-out is too small to tell",
    "undecided": "is not decided on",
}
# Every sign that Markdown, HTML or GitHub (mentions, references, formulas, emoji) would act on.
_SIGNS = re.compile(
    r"[#$&*<>@\[\\\]`|~]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])|:(?! |$)|(?<=www)\.", re.I
)
_HARMLESS = re.compile(r"[0-9A-Za-z_./-]+(?: [0-9A-Za-z_./-]+)*")
_PIECES = re.compile(r"&#\d+;|.")  # an entity is cut off whole
_JOINER = "&#8288;"  # of no width: `@` and `#` followed by it are neither mention nor reference


def model_report(result: ReportResult) -> str:
    """The report as GitHub-flavoured Markdown; no text in it can be more than text."""
    lines = [
        f"## {escape(result.project)}: {code(result.version)} {_SAID[result.verdict]}",
        *_gates(result),
        *_metrics(result),
        *(_drift(result.drift, result.champion) if result.drift else ()),
        *(_experiment(result.experiment) if result.experiment else ()),
        *_uncommitted(result.uncommitted),
    ]
    return "\n".join(lines) + "\n"


def escape(text: str, *, most: int = MOST_TEXT) -> str:
    """Text that Markdown shows as it is, on one line, in at most about `most` characters."""
    cut = text[: most + 1]  # no character becomes less than one
    plain = "".join(" " if _steers(character) else character for character in cut)
    said: list[str] = []
    length = 0
    for piece in _PIECES.findall(_SIGNS.sub(_entity, plain)):
        length += len(piece)
        if length > most:
            return "".join(said) + "..."
        said.append(piece)
    return "".join(said)


def code(text: str) -> str:
    """A name as it is, in fixed width."""
    if len(text) <= MOST_NAME and _HARMLESS.fullmatch(text):
        return f"`{text}`"
    return f"<code>{escape(text, most=MOST_NAME)}</code>"  # no backticks can hold every text


def _name(text: str) -> str:
    return escape(text, most=MOST_NAME)


def _entity(sign: re.Match[str]) -> str:
    return f"&#{ord(sign[0])};" + (_JOINER if sign[0] in "@#" else "")


def _steers(character: str) -> bool:
    """Whether it is a line's end, or steers what is shown of others (such as its direction)."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _gates(result: ReportResult) -> Iterator[str]:
    yield ""
    if result.champion == result.version:
        yield "It is the champion."
    elif result.champion:
        yield f"The champion is {code(result.champion)}."
    elif not result.reason:
        yield "There is no champion yet."
    if result.reason:
        yield f"The gates could not be asked: {escape(result.reason)}."
    if result.gates:
        yield ""
        if result.recorded:
            yield "From `decision.json`:"
            yield ""
        yield from _table(("gate", "verdict", "why"), [_gate(g) for g in result.gates])


def _gate(said: GateResult) -> tuple[str, ...]:
    verdict = said.verdict if said.verdict == "passed" else f"**{said.verdict}**"
    return _name(said.gate), verdict, escape(said.why)


def _metrics(result: ReportResult) -> Iterator[str]:
    yield ""
    yield "### Metrics on the hold-out"
    yield ""
    if result.positive is not None:
        yield f"The positive class, which `probability` is of, is {code(result.positive)}."
        yield ""
    if result.commit is None:
        rows = [(_name(m.name), _current(m)) for m in result.metrics]
        yield from _table(("metric", "value"), rows)
        return
    there = f"{_name(str(result.against))} ({short(result.commit)})"
    if all(m.value_before is None for m in result.metrics):
        yield f"{there} has no `metrics.json` to compare with."
        yield ""
    head = ("metric", "here", there, "change")
    yield from _table(
        head, [(_name(m.name), _current(m), _reference(m), _change(m)) for m in result.metrics]
    )
    yield ""
    yield (
        "Each was measured on its own hold-out, with a 95 % interval where there is one. The "
        "champion's gate compares both models on the same rows."
    )


def _current(metric: MetricChange) -> str:
    return _value(metric.value, metric.low, metric.high)


def _reference(metric: MetricChange) -> str:
    return _value(metric.value_before, metric.low_before, metric.high_before)


def _value(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    ends = f" ({low:.4g} to {high:.4g})" if low is not None and high is not None else ""
    return f"{value:.4g}{ends}"


def _change(metric: MetricChange) -> str:
    return "-" if metric.change is None else f"{metric.change:+.2g}"


def _drift(drift: TrainingDrift, champion: str | None) -> Iterator[str]:
    yield ""
    yield "### Drift of the training rows"
    yield ""
    if drift.unknown:
        yield f"Not compared with the champion's: {escape(drift.unknown)}."
        return
    if drift.absent:
        yield f"Not here any more, or of another kind: {_names(drift.absent)}."
        yield ""
    moved = len(drift.columns)
    sizes = f"{drift.rows:,} rows here, {drift.rows_before:,} then"
    against = f"of {drift.compared} columns against {code(champion or '')}'s ({sizes})"
    if not moved:
        yield f"None {against} moved more than chance explains."
        return
    yield f"{moved} {against} moved more than chance explains:"
    yield ""
    rows = [
        (code(c.name), _name(c.statistic), f"{c.value:.4g}", f"{c.threshold:.4g}")
        for c in drift.columns
    ]
    yield from _table(("column", "statistic", "value", "limit"), rows)


def _experiment(found: AbResult) -> Iterator[str]:
    yield ""
    yield "### Experiment"
    yield ""
    won = f"**the {found.winner} has won**" if found.winner else "no winner"
    why = "; ".join(found.reasons)
    yield (
        f"{code(found.candidate)} against {code(found.champion)}, {found.units:,} units from "
        f"{found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}: {won}: {escape(why)}."
    )
    yield ""
    rows = [(_name(lift.metric), *_lift(lift)) for lift in found.metrics]
    yield from _table(("metric", "champion", "candidate", "lift", "relative"), rows)
    yield ""
    yield "Intervals are of 95 %, at all looks together; `mlops ab` made them."


def _lift(found: LiftFound) -> tuple[str, ...]:
    arms = (_value(arm.value, None, None) for arm in (found.champion, found.candidate))
    part = found.relative if found.relative_low is not None else None
    percents = (part, found.relative_low, found.relative_high)
    relative = (None if p is None else 100 * p for p in percents)
    percent = _value(*relative)
    return (
        *arms,
        _value(found.difference, found.low, found.high),
        f"{percent} %" if part is not None else "-",
    )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_ROWS} more" if len(names) > MOST_ROWS else ""
    return ", ".join(map(code, names[:MOST_ROWS])) + more


def _uncommitted(paths: Sequence[str]) -> Iterator[str]:
    if paths:
        yield ""
        yield (
            f"Not committed as this run made them: {_names(paths)}. "
            "Commit them as `mlops run` leaves them."
        )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows[:MOST_ROWS]:
        yield f"| {' | '.join(row)} |"
    if len(rows) > MOST_ROWS:
        yield ""
        yield f"... and {len(rows) - MOST_ROWS} more."
