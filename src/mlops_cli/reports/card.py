"""The model card as Markdown: what is recorded, what a person told, and what nobody did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlops_cli.audit.entry import Entry
from mlops_cli.audit.live import Live
from mlops_cli.evaluation.report import Report
from mlops_cli.governance.approvals import REVIEWER
from mlops_cli.governance.life import Life
from mlops_cli.reports.evaluation.markdown import evaluation_lines
from mlops_cli.reports.markdown import code, escape

NOT_TOLD = "*Nobody has told.*"
_NOT_RECORDED = "*Not recorded.*"
_HELD_OUT = "the hold-out rows"
_LONG = 5_000  # characters of what a person told
_ENDS = ("_low", "_high")


@dataclass(frozen=True, slots=True)
class CardResult:
    """A version's card; `told` is what a person wrote, by key, and null where nobody did.

    `data` and `model` are what the bundle says of its making; `approvals` are the entries that
    approve it, `counted` the ids of those that count, `missing` the roles that still have to, and
    `signed` who signed an entry, by its id; `empty` names what nobody has told. `convention` is
    whether nobody is made to sign, `imported` whether it was trained elsewhere. `evaluation` is
    what training wrote of it, where that is still to be had.
    """

    project: str
    version: str
    life: Life
    told: Mapping[str, str | None]
    data: Mapping[str, str]
    model: Mapping[str, str]
    approvals: tuple[Entry, ...]
    counted: tuple[str, ...]
    missing: tuple[str, ...]
    signed: Mapping[str, str]
    live: tuple[Live, ...]
    empty: tuple[str, ...]
    convention: bool
    imported: bool
    file: str
    evaluation: Report | None = None


def model_card(result: CardResult) -> str:
    """The card as Markdown; no text in it can be more than text."""
    told = result.told
    lines = [
        f"# {escape(result.project)}, version {code(result.version)}",
        *_told("Purpose", told["purpose"]),
        *_told("Who it is for", told["users"]),
        *_told("What it is not for", told["out_of_scope"]),
        *_table("Model", result.model),
        *_table("Data", result.data),
        *_told("Where the data comes from", told["data_origin"]),
        *_metrics(result),
        *(evaluation_lines(result.evaluation) if result.evaluation else ()),
        *_gates(result.life),
        *_approvals(result),
        *_live(result.live),
        *_told("Limits", told["limits"]),
        *_told("Risks, and for whom", told["risks"]),
        *_told("Who answers for it", told["owner"]),
    ]
    if result.empty:
        lines += ["", f"Not told, and asked for in {code(result.file)}: {', '.join(result.empty)}."]
    return "\n".join(lines) + "\n"


def _told(title: str, text: str | None) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    paragraphs = [p for p in (text or "").split("\n\n") if p.strip()]
    for number, paragraph in enumerate(paragraphs):
        yield from ([""] if number else [])
        yield escape(" ".join(paragraph.split()), most=_LONG)
    if not paragraphs:
        yield NOT_TOLD


def _table(title: str, values: Mapping[str, str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", "| | |", "|---|---|")
    for name, value in values.items():
        yield f"| {escape(name)} | {escape(value) if value else _NOT_RECORDED} |"


def metric_rows(result: CardResult) -> Iterator[tuple[str, str, str]]:
    """Each metric of the version: its name, its value and its interval, as texts."""
    metrics = result.life.metrics
    known = result.evaluation.metrics if result.evaluation else {}
    for name in sorted(metrics):
        if name.endswith(_ENDS):
            continue
        low, high = (metrics.get(name + end) for end in _ENDS)
        if of := known.get(name):
            low, high = of.low, of.high
        both = low is not None and high is not None
        yield (
            name,
            f"{metrics[name]:.4g}",
            f"{low:.4g} to {high:.4g}" if both else "not computed",
        )


def measured_on(result: CardResult) -> str:
    """Which rows the metrics are of."""
    return (
        "the data of its import, which it may have been fitted on" if result.imported else _HELD_OUT
    )


def _metrics(result: CardResult) -> Iterator[str]:
    yield from ("", "## Metrics", "")
    rows = list(metric_rows(result))
    if not rows:
        yield _NOT_RECORDED
        return
    yield from (
        f"On {measured_on(result)}.",
        "",
        "| metric | value | 95 % interval |",
        "|---|---|---|",
    )
    for name, value, between in rows:
        yield f"| {code(name)} | {value} | {between} |"
    if result.evaluation is None:
        yield from ("", "Metrics of parts of the rows (slices) are not recorded.")


def gate_lines(life: Life) -> Iterator[str]:
    """What each gate said of the version."""
    for gate in life.gates:
        yield f"{gate.gate}: {gate.verdict}; {gate.why}"


def _gates(life: Life) -> Iterator[str]:
    yield from ("", "## Gates", "")
    if not life.gates:
        yield "No gate was asked, or the decision is not in this clone's history."
    yield from (f"- {escape(line, most=_LONG)}" for line in gate_lines(life))


def approval_lines(result: CardResult) -> Iterator[tuple[str, str]]:
    """When and by whom the version was approved, and whether it counts."""
    for entry in result.approvals:
        role = entry.subject.get("role", "no role")
        signer = result.signed.get(entry.id)
        by = f"signed by {signer}" if signer else "without a signature that counts"
        why = f": {entry.reason}" if entry.reason else ""
        who = (
            f"{entry.actor} for {person}"
            if (person := entry.subject.get(REVIEWER))
            else entry.actor
        )
        void = "" if entry.id in result.counted else " (counts for nothing)"
        yield entry.time, f"{who} as {role}, {by}{void}{why}"


def _approvals(result: CardResult) -> Iterator[str]:
    yield from ("", "## Approvals", "")
    if not result.approvals:
        yield "None is recorded."
    yield from (f"- {time}, {escape(said)}" for time, said in approval_lines(result))
    if result.missing:
        yield from ("", f"Missing: {', '.join(map(escape, result.missing))}.")
    if result.convention:
        yield from ("", "Names are a convention: `governance.signers` is not set on the main line.")


def _live(live: tuple[Live, ...]) -> Iterator[str]:
    yield from ("", "## Where it answers", "")
    if not live:
        yield "By the audit log nowhere."
    for x in live:
        yield f"- {escape(x.target)}, {x.weight:g} % of the traffic, since {x.since}"
