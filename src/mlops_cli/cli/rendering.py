"""How larger results look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.colour import paint
from mlops_cli.cli.execute import relative
from mlops_cli.cli.look import TIE, Row, aligned, row

if TYPE_CHECKING:
    from mlops_cli.actions.bring import DeployResult
    from mlops_cli.actions.build import BuildResult
    from mlops_cli.actions.compare import CompareResult, Side
    from mlops_cli.actions.deploy import PlanResult, RenderResult
    from mlops_cli.actions.init import InitResult
    from mlops_cli.actions.keys import KeyEntry, KeysResult
    from mlops_cli.actions.status import (
        CandidateStatus,
        DecisionStatus,
        DeploymentStatus,
        StatusResult,
    )
    from mlops_cli.actions.update import UpdateResult
    from mlops_cli.audit.entry import Entry
    from mlops_cli.governance.life import Life
    from mlops_cli.pipeline.result import RunResult
    from mlops_cli.reports.audit import AuditResult


_WIDE = 100  # characters of a line
_REASONS = 3  # of how columns are read: with more, the contract tells
_CELL = 160  # characters of a value in a table
_WARNINGS = 8  # shown; the others stand in mlops.yaml, too


def render_init(result: InitResult | UpdateResult) -> None:
    """A new project, or what an update did."""
    from mlops_cli.actions.init import InitResult

    if isinstance(result, InitResult):
        _render_new(result)
    else:
        _render_update(result)


def _render_new(result: InitResult) -> None:
    """A line for each kind of guess, the warnings, and the next command."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for guess in result.guesses:
        groups.setdefault(guess.what, []).append((guess.value, guess.why))
    echo_remarks(filter(None, (_group(what, g, result) for what, g in groups.items())))
    echo_remarks(f"warning: {warning}" for warning in result.warnings[:_WARNINGS])
    if (more := len(result.warnings) - _WARNINGS) > 0:
        echo_remarks([f"warning: {more} more, in mlops.yaml"])
    go = "" if result.project == "." else f"cd {result.project} && "
    typer.echo(f"made {result.project}; next: {go}mlops run")


def _render_update(result: UpdateResult) -> None:
    """Each file that differs, and its lines."""
    said = {
        "updated": "{0}: updated",
        "new": "{0}: new",
        "removed": "{0}: you removed it; the template changed it, and it stays away",
        "conflict": "{0}: you and the template changed the same lines: yours are kept, and "
        ".mlops/update/{1} has both",
    }
    for file in result.files:
        typer.echo(said[file.state].format(file.path, file.path.replace("../", "")))
        for line in file.diff.splitlines()[2:]:
            typer.echo(f"  {line}")
    before = result.before or "an earlier release"
    if not result.files:
        typer.echo(f"nothing to change: the files are those of {result.after}")
    else:
        typer.echo(f"from {before} to {result.after}; next: git diff, then mlops run")


def _group(what: str, guesses: Sequence[tuple[str, str]], result: InitResult) -> str:
    if what == "features":
        return f"features: {_listed(result.features)}"
    told = [g for g in guesses if g[1] not in ("it is the target", "the target is made of it")]
    if not told:
        return ""
    same = {why: [value for value, reason in told if reason == why] for _, why in told}
    if len(told) == 1 or (what == "read" and len(same) <= _REASONS):
        return f"{what}: " + "; ".join(f"{_listed(v)} ({why})" for why, v in same.items())
    where = {"left out": " (reasons in mlops.yaml)", "read": " (how: in the contract)"}
    between = "; " if what == "names a row" else ", "
    return f"{what}: {_listed([value for value, _ in told], between)}{where.get(what, '')}"


def _listed(names: Sequence[str], between: str = ", ") -> str:
    """As many names as stand in a line, and how many more there are."""
    shown = list[str]()
    for name in names:
        if shown and len(between.join([*shown, name])) > _WIDE:
            return f"{between.join(shown)} and {len(names) - len(shown):,} more"
        shown.append(name)
    return between.join(shown)


def echo_rows(rows: Iterable[Row]) -> None:
    """Print rows whose columns align; see `look.aligned`."""
    for line in aligned(rows):
        typer.echo(line)


def echo_remarks(remarks: Iterable[str]) -> None:
    """Print sentences, each warning in its colour."""
    for remark in remarks:
        echo_rows([row(remark, colour="yellow" if remark.startswith("warning: ") else None)])


def render_run(result: RunResult) -> None:
    """Each stage, its state, and how long it took."""
    echo_rows(row(s.name, f"{s.state:<9}{_took(s.seconds)}".rstrip()) for s in result.stages)
    width = max(len(stage.name) for stage in result.stages)
    typer.echo(f"{'':<{width}}  in {result.seconds:.1f} s")
    for line in _outcome(result):
        typer.echo(line)


def render_build(result: BuildResult) -> None:
    """The image, where one was built, and each document that was written."""
    if result.image:
        typer.echo(f"{result.image} serves {result.version}")
        typer.echo(f"what it installs: {result.sbom}")
    if result.pushed:
        typer.echo(f"pushed: {result.pushed}")
    if result.batch:
        typer.echo(f"{result.batch.image} scores files by {result.version}")
        typer.echo(f"what it installs: {result.batch.sbom}")
        if result.batch.pushed:
            typer.echo(f"pushed: {result.batch.pushed}")
    typer.echo(f"what the model is: {result.ml_bom}")
    files = {"made from": result.provenance, "signed": result.signed}
    for what, name in ((what, name) for what, names in files.items() for name in names):
        typer.echo(f"{what}: {name}")


def _took(seconds: float | None) -> str:
    return "" if seconds is None else f" {seconds:6.1f} s"


def _outcome(result: RunResult) -> Iterator[str]:
    """What the model is worth, what became of it, and the next command."""
    if worth := result.worth:
        interval = f"[{worth.low:.4g}, {worth.high:.4g}]"
        yield f"{worth.metric} {worth.value:.4g} {interval} on the hold-out"
        if worth.champion:
            beside = f"{worth.champion_value:.4g} on the same rows"
            yield f"the champion it was compared with, {worth.champion}, has {beside}"
    if (found := result.registration) is None:
        yield "next: mlops run"
    elif found.state == "champion":
        yield f"{found.version} is the champion"
        yield "next: mlops deploy"
    elif found.state == "candidate":
        version = found.version
        asked = f"waits for {', '.join(found.missing)}" if found.missing else "is approved"
        yield f"{version} is the candidate, and {asked}"
        role = f"approve {version} --role {found.missing[0]}" if found.missing else "promote"
        yield f"next: mlops {role}"
    else:
        yield f"{found.version} is not registered: {found.why}"
        yield f"next, to register it: {found.command}"


def render_deploy(result: DeployResult | PlanResult | RenderResult) -> None:
    """What runs now, what would change, or the files that say so."""
    from mlops_cli.actions.bring import DeployResult
    from mlops_cli.actions.deploy import PlanResult, RenderResult

    match result:
        case PlanResult(changes=()):
            typer.echo(f"{result.version} runs on {result.target} already: nothing to change")
        case PlanResult():
            for change in result.changes:
                typer.echo(f"{change.action} {change.kind} {change.name}")
                for line in change.detail.splitlines():
                    typer.echo(f"  {line}")
        case RenderResult():
            for file in result.files:
                typer.echo(relative(file))
        case DeployResult(url=None):
            typer.echo(f"no longer deployed on {result.target}")
        case DeployResult(weight=float()):
            share = f"{result.weight:g} % of its traffic, and {result.beside} the rest"
            typer.echo(f"{result.version} answers {share}, at {result.url}")
            typer.echo("next: mlops rollout status; mlops rollout tick goes on")
        case DeployResult():
            typer.echo(f"{(result.digest or '')[:12]} answers at {result.url}")
            typer.echo(f"try: curl {result.url}/v1/predict -d @examples/request.json")


def render_status(result: StatusResult) -> None:
    """A line for each thing, its name first."""
    echo_rows(_rows(result))


def _rows(result: StatusResult) -> Iterator[Row]:
    yield row("project", result.project)
    for stage in result.stages:
        fresh = stage.state == "up to date"
        yield row(stage.name, stage.state, colour="green" if fresh else "yellow")
    for part, metrics in (result.metrics or {}).items():
        said = ", ".join(f"{name}{TIE}{_number(value)}" for name, value in metrics.items())
        yield row(part, said)
    if decision := result.decision:
        yield row("model", _model(result, decision), colour=None if decision.passed else "red")
    yield row("champion", _champion(result), colour=None if result.champion else "yellow")
    if candidate := result.candidate:
        yield row("candidate", _candidate(candidate), colour="yellow")
    for deployed in result.deployments:
        yield from _deployed(deployed)
    for target in result.unreachable:
        yield row(target.name, f"DOES NOT ANSWER: {target.why}", colour="red")
    if not (result.deployments or result.unreachable):
        yield row("deployed", "nothing")
    if drift := result.drift:
        verdict = f"drifted: {', '.join(drift.columns)}" if drift.drifted else "no drift"
        said = f"{verdict} ({drift.current} against {drift.version}, {drift.report})"
        yield row("drift", said, colour="yellow" if drift.drifted else "green")
    for missing in result.missing:
        said = f"{missing.name}: {missing.why}; {missing.hint}"
        yield row("missing", said, colour="yellow")


def _deployed(d: DeploymentStatus) -> Iterator[Row]:
    health = "healthy" if d.healthy else "NOT HEALTHY"
    said = f"{d.version} at {d.url}, {health} since {d.since:%Y-%m-%d %H:%M} UTC"
    yield row(d.target, said, colour="green" if d.healthy else "red")
    if r := d.rollout:
        told = f"{r.version}, {r.strategy}, {r.state}: answers {r.weight:g} %"
        yield row("rollout", told, colour="yellow")


def _number(value: float | None) -> str:
    """A metric; a hyphen where it could not be computed."""
    return "-" if value is None else f"{value:.4g}"


def _model(result: StatusResult, decision: DecisionStatus) -> str:
    if not decision.passed:
        return f"{decision.version}, REFUSED by its gates: {'; '.join(decision.why)}"
    if result.champion and result.champion.digest != decision.digest:
        return f"{decision.version}, passed its gates, and another is the champion since"
    return f"{decision.version}, passed its gates"


def _candidate(candidate: CandidateStatus) -> str:
    parts = [f"{a.role} by {a.by}" for a in candidate.approvals]
    parts += [f"{role} MISSING" for role in candidate.missing]
    return f"{candidate.version}, approvals: {', '.join(parts) or 'none asked'}"


def _champion(result: StatusResult) -> str:
    if not (champion := result.champion):
        lost = any(missing.name == "champion" for missing in result.missing)
        return "not in this registry: see what is missing" if lost else "none yet"
    value = f", {champion.metric_name} {champion.metric:.4f}" if champion.metric is not None else ""
    code = f"; its server runs {', '.join(champion.code)}" if champion.code else ""
    return f"{champion.version}{value} (version {champion.number} in {champion.registry}){code}"


def render_comparison(result: CompareResult) -> None:
    """The metrics of both sides as a table, and below it what differs, a table a kind."""
    rows = [row("", _side(result.a), _side(result.b), "difference")]
    rows += [
        row(
            m.name,
            _measured(m.a, m.a_interval),
            _measured(m.b, m.b_interval),
            "-" if m.difference is None else f"{m.difference:+.4g}",
        )
        for m in result.metrics
    ]
    echo_rows(rows)
    for title in ("data", "contracts", "features", "params", "settings"):
        found = getattr(result, title)
        if found:
            typer.echo()
            values = [row(f"  {d.name}", _shown(d.a), _shown(d.b)) for d in found]
            echo_rows([row(title, result.a.name, result.b.name), *values])
    same = [t for t in ("data", "contracts", "features", "params") if getattr(result, t) == []]
    unknown = [t for t in ("data", "contracts", "features", "params") if getattr(result, t) is None]
    typer.echo()
    for said, titles in (("the same in both", same), ("not known of both", unknown)):
        if titles:
            typer.echo(f"{said}: {', '.join(titles)}")
    echo_remarks(result.remarks)


def _side(side: Side) -> str:
    what = [side.kind] if side.kind != side.name else []
    model = [side.model] if side.model and side.model != side.name else []
    return f"{side.name} ({', '.join([*what, *model])})" if what or model else side.name


def _measured(value: float | None, interval: tuple[float, float] | None) -> str:
    ends = f" [{interval[0]:.4g},{TIE}{interval[1]:.4g}]" if interval else ""
    return f"{_number(value)}{ends}"


def _shown(value: object) -> str:
    """A value of either side as YAML writes it in a line, cut to what a column can hold."""
    text = "-" if value is None else _flow(value)
    return text if len(text) <= _CELL else f"{text[: _CELL - 3]}..."


def _flow(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case dict():
            return f"{{{', '.join(f'{k}: {_flow(v)}' for k, v in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_flow, value))}]"
    return str(value)


def render_audit(result: AuditResult) -> None:
    """A line for each entry, what is live, and what the log was held to."""
    if result.subject is not None:
        _render_life(result.subject)
    echo_rows([_entry(entry, result.signed) for entry in result.entries])
    if result.live:
        typer.echo(f"live at {result.at.isoformat()}:" if result.at else "live:")
        echo_rows(row(x.target, x.version, f"{x.weight:g} %, since {x.since}") for x in result.live)
    if result.verified:
        anchors = ", ".join(dict.fromkeys(a.where for a in result.anchors if a.state == "ok"))
        verified = paint("verified", "green")
        typer.echo(f"{verified}: {len(result.entries)} entries, against {anchors}")
    for anchor in result.anchors:
        if anchor.state == "unreachable":
            typer.echo(f"not reached: {anchor.where}")


def _render_life(life: Life) -> None:
    typer.echo(f"version {life.version}" + (f", number {life.number}" if life.number else ""))
    made = [*life.evidence.items(), *([("run", life.run)] if life.run else [])]
    measured = [(name, f"{value:.6g}") for name, value in life.metrics.items()]
    echo_rows(row(name, value) for name, value in [*made, *measured])
    echo_rows(row(gate.gate, gate.verdict, gate.why) for gate in life.gates)


def _entry(entry: Entry, signed: Mapping[str, str]) -> Row:
    version = entry.subject.get("digest", "")[:12]
    contract = entry.subject.get("contract", "") and " ".join(entry.subject.values())
    target = f"on {entry.subject['target']}" if "target" in entry.subject else ""
    weight = f"at {entry.subject['weight']} %" if "weight" in entry.subject else ""
    what = " ".join(filter(None, [entry.action, version, contract, target, weight, entry.outcome]))
    reason = f": {entry.reason}" if entry.reason else ""
    who = entry.actor.partition(" <")[0]  # the address is in --json
    by = f"{who}, signed" if entry.id in signed else who
    return row(entry.time, entry.id[:12], f"{what}{reason}  ({by})")


def render_keys(result: KeysResult) -> None:
    """A line for each key; a new one alone on its line, so that it can be copied whole."""
    if result.key is not None:
        typer.echo("the key, which is not shown again:")
        typer.echo(result.key)
        return
    echo_rows([_key(key) for key in result.keys])
    if not result.keys:
        typer.echo(f"no keys on {result.target}: nobody is let in")


def _key(key: KeyEntry) -> Row:
    until = f"until {key.expires:%Y-%m-%d %H:%M} UTC" if key.expires else "without end"
    said = f"EXPIRED {key.expires:%Y-%m-%d}" if key.expired and key.expires else until
    return row(key.name, ", ".join(key.scopes), said, colour="red" if key.expired else None)
