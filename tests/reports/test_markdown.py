"""The report as Markdown: what GitHub would make of it, whatever the names in it are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mlops_cli.experiments.found import AbResult, ArmFound, LiftFound, ShareFound
from mlops_cli.governance.decision import GateResult
from mlops_cli.monitoring.drift.base import ColumnDrift
from mlops_cli.reports.markdown import code, escape, model_report
from mlops_cli.reports.model import (
    MetricChange,
    ReportResult,
    TrainingDrift,
)


def moved(name: str, value: float, threshold: float) -> ColumnDrift:
    return ColumnDrift(
        name=name,
        drifted=True,
        statistic="ks",
        value=value,
        threshold=threshold,
        p_value=0.0,
        effect=value,
        importance=0.5,
        psi=None,
        psi_threshold=None,
        wasserstein=None,
        missing_current=0.0,
        missing_reference=0.0,
        unseen=None,
    )


def _arm(value: float) -> ArmFound:
    return ArmFound(units=120, rows=500, value=value)


EXPERIMENT = AbResult(
    since=datetime(2026, 3, 1, tzinfo=UTC),
    until=datetime(2026, 3, 9, tzinfo=UTC),
    champion="81c081c081c0",
    candidate="3f3f3f3f3f3f",
    unit=("customer",),
    units=240,
    mixed=0,
    share=ShareFound(candidate=0.5, expected=0.5, p_value=0.9, mismatch=False),
    planned=10_000,
    primary="spent | $x$",
    winner="candidate",
    reasons=("the candidate is surely better in spent | $x$",),
    metrics=(
        LiftFound(
            metric="spent | $x$",
            kind="mean",
            better="higher",
            champion=_arm(20.0),
            candidate=_arm(25.0),
            difference=5.0,
            low=4.0,
            high=6.0,
            relative=0.25,
            relative_low=0.2,
            relative_high=0.3,
        ),
        LiftFound(
            metric="label", kind="mean", better="lower", champion=_arm(0.4), candidate=_arm(0.4)
        ),
    ),
    guardrails=(),
    segments=(),
    remarks=(),
)
GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
WHOLE = ReportResult(
    project="delays",
    digest="3f" * 32,
    version="3f3f3f3f3f3f",
    champion="81c081c081c0",
    verdict="refused",
    reason=None,
    recorded=False,
    gates=(GateResult("champion: not_worse", "refused", "worse, by more than chance explains"),),
    metric="roc_auc",
    metrics=(
        MetricChange("roc_auc", 0.8, 0.75, 0.85, 0.79, 0.74, 0.84, 0.01),
        MetricChange("brier", 0.2, None, None, None, None, None, None),
    ),
    against="origin/main",
    commit="c0ffee" * 6 + "c0ff",
    drift=TrainingDrift(3, (moved("dep_time", 0.2, 0.1),), ("gone",), 900, 800),
    uncommitted=("dvc.lock",),
    experiment=EXPERIMENT,
    positive="legit",
)
NASTY = [
    "a|b",
    "\\|`<img src=x onerror=alert(1)>",
    "`*x*` _y_ ~~z~~",
    "[a](http://b) ![c](d)",
    "@team #12 :tada: $x$",
    "www.example.com http://example.com",
    "<!-- mlops report: other -->",
    "</code></td><script>",
    "a\n\n## b\r\n| c | d |",
    "&lt;b&gt; &amp;#64;",
    "\u202eabc\u2066 \u200b",
]


def cells(markdown: str) -> list[list[str]]:
    """The text of every table row as it is shown; only text and `code` may be in a cell."""
    rows: list[list[str]] = []
    for token in GITHUB.parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline" and rows and token.level >= 4:
            rows[-1].append("".join(shown(child) for child in token.children or ()))
    return rows


def shown(token: Token) -> str:
    if token.type == "html_inline":
        assert token.content in ("<code>", "</code>"), token.content
        return ""
    assert token.type in ("text", "text_special", "code_inline", "strong_open", "strong_close")
    return token.content


def as_seen(text: str) -> str:
    return " ".join(text.replace("\u2060", "").split())


def test_it_says_verdict_gates_metrics_drift_and_what_is_not_committed() -> None:
    text = model_report(WHOLE)
    assert "## delays: `3f3f3f3f3f3f` is refused by its gates" in text
    assert "The champion is `81c081c081c0`." in text
    rows = cells(text)
    assert [
        "champion: not_worse",
        "refused",
        "worse, by more than chance explains",
    ] in rows
    assert ["metric", "here", "origin/main (c0ffeec0ffee)", "change"] in rows
    assert ["roc_auc", "0.8 (0.75 to 0.85)", "0.79 (0.74 to 0.84)", "+0.01"] in rows
    assert ["brier", "0.2", "-", "-"] in rows
    assert ["dep_time", "ks", "0.2", "0.1"] in rows
    assert "1 of 3 columns against `81c081c081c0`'s (900 rows here, 800 then)" in text
    assert "Not here any more, or of another kind: `gone`." in text
    assert "Not committed as this run made them: `dvc.lock`" in text
    assert "The positive class, which `probability` is of, is `legit`." in text


@pytest.mark.parametrize("text", NASTY)
def test_no_name_becomes_markup(text: str) -> None:
    for form in (escape(text), code(text)):
        ((head,), (cell,)) = cells(f"| {form} |\n|---|\n| {form} |\n")
        visible = "".join(" " if c in "\u202e\u2066\u200b" else c for c in text)
        assert as_seen(cell) == as_seen(head) == as_seen(visible)
        assert "@team" not in cell  # GitHub looks for these in the text that is shown
        assert "#12" not in cell
        assert "http:" not in form
        assert "www." not in form


@settings(deadline=None)
@given(st.text(max_size=6))
@example("`")
@example("\\")
@example("a_b_c __d__")
def test_any_text_is_shown_as_it_is_or_as_a_blank(text: str) -> None:
    drift = replace(WHOLE.drift or TrainingDrift(), columns=(moved(text, 1.0, 0.5),))
    made = model_report(
        replace(
            WHOLE,
            project="p",
            drift=drift,
            gates=(GateResult(text, "passed", text),),
            positive=text,
        )
    )
    kinds = {t.type for t in GITHUB.parse(made)}
    assert "html_block" not in kinds
    assert "fence" not in kinds
    rows = [row for row in cells(made) if len(row) in (3, 4)]
    names = [as_seen(row[0]) for row in rows]
    assert len([n for n in names if n == "metric"]) >= 1
    gate = next(row for row in rows if row[1] == "passed")
    plain = as_seen("".join(c if c.isprintable() else " " for c in text))
    assert as_seen(gate[0]) == as_seen(gate[2]) == plain or not text.isprintable()
    assert len([row for row in rows if row[1] == "ks"]) == 1


def test_a_comment_has_room_for_the_worst() -> None:
    worst = "@" * 5000
    many = tuple(moved(f"{worst}{i}", 1.0, 0.5) for i in range(2000))
    text = model_report(
        replace(
            WHOLE,
            reason=worst,
            gates=(GateResult(worst, "refused", worst),) * 200,
            metrics=tuple(replace(m, name=worst) for m in WHOLE.metrics) * 100,
            drift=TrainingDrift(2000, many, (worst,) * 99, 1, 1),
        )
    )
    assert len(text.encode()) < 65_000
    assert "... and 1960 more." in text


def test_what_could_not_be_asked_is_said_and_not_guessed() -> None:
    text = model_report(
        replace(
            WHOLE,
            champion=None,
            verdict="undecided",
            reason="the registry at x does not answer",
            gates=(),
            drift=None,
            commit=None,
            against=None,
            uncommitted=(),
        )
    )
    assert "is not decided on" in text
    assert "The gates could not be asked: the registry at x does not answer." in text
    assert "champion is" not in text
    assert "no champion" not in text
    assert "Drift" not in text
    assert ["roc_auc", "0.8 (0.75 to 0.85)"] in cells(text)


def test_a_revision_without_metrics_is_told() -> None:
    bare = tuple(
        replace(m, value_before=None, low_before=None, high_before=None, change=None)
        for m in WHOLE.metrics
    )
    text = model_report(replace(WHOLE, metrics=bare))
    assert "origin/main (c0ffeec0ffee) has no `metrics.json` to compare with." in text


def test_the_experiment_of_a_model_is_told() -> None:
    text = model_report(WHOLE)
    assert "`3f3f3f3f3f3f` against `81c081c081c0`, 240 units from 2026-03-01" in text
    assert "**the candidate has won**" in text
    assert "| 20 | 25 | 5 (4 to 6) | 25 (20 to 30) % |" in text
    assert "| label | 0.4 | 0.4 | - | - |" in text
    assert "### Experiment" not in model_report(replace(WHOLE, experiment=None))
