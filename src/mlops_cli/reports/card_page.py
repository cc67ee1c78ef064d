"""The model card as a page, `reports/card.html`: what its Markdown tells, to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_cli._templates import render
from mlops_cli.bundle.manifest import short
from mlops_cli.reports.card import (
    CardResult,
    approval_lines,
    gate_lines,
    measured_on,
    metric_rows,
)
from mlops_cli.reports.evaluation.page import STYLE, shown
from mlops_cli.reports.evaluation.plots import HEIGHT, WIDTH
from mlops_cli.reports.self_contained import policy

TEMPLATE = "reports/card.html.j2"
_FIRST: Mapping[str, str] = {
    "purpose": "Purpose",
    "users": "Who it is for",
    "out_of_scope": "What it is not for",
}
_LAST: Mapping[str, str] = {
    "data_origin": "Where the data comes from",
    "limits": "Limits",
    "risks": "Risks, and for whom",
    "owner": "Who answers for it",
}


def card_page(result: CardResult) -> str:
    """The card as HTML: by itself, it loads nothing and runs nothing; in both colour schemes."""
    style = render(STYLE)
    return render(
        TEMPLATE,
        card=result,
        first=list(_told(result, _FIRST)),
        last=list(_told(result, _LAST)),
        metrics=list(metric_rows(result)),
        measured_on=measured_on(result),
        gates=list(gate_lines(result.life)),
        approvals=[f"{time}, {line}" for time, line in approval_lines(result)],
        page=shown(result.evaluation) if result.evaluation else None,
        short=short,
        style=style,
        policy=policy(style),
        width=WIDTH,
        height=HEIGHT,
    )


def _told(result: CardResult, titles: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    for key, title in titles.items():
        text = result.told[key] or ""
        yield title, [" ".join(p.split()) for p in text.split("\n\n") if p.strip()]
