"""The command `ab`: two versions that shared the traffic, compared as an experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_cli._files import sha256_of, write_text
from mlops_cli._json import pretty_json
from mlops_cli._locks import locked
from mlops_cli.actions.collect import collect_what_is_there
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.graph import in_order
from mlops_cli.audit.log import read_log
from mlops_cli.audit.record import record
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.config.paths import AB_REPORT
from mlops_cli.config.project import Project
from mlops_cli.config.sections.experiment import LOGGED, parts_of
from mlops_cli.errors import DataError, EnvironmentFault, UsageError
from mlops_cli.experiments.ab import compare
from mlops_cli.experiments.arms import Arms, find_arms
from mlops_cli.experiments.found import AbResult
from mlops_cli.experiments.kpi import Kpi, read_kpi
from mlops_cli.experiments.samples import Units
from mlops_cli.experiments.units import Asked, fingerprint_sql, matched_sql, read_units
from mlops_cli.governance.watched import watched_models
from mlops_cli.monitoring.collected.recorded import COLLECTING
from mlops_cli.monitoring.collected.traffic import SHADOW, Selection, Traffic
from mlops_cli.monitoring.windows.grid import Stretch, moment_of
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import Engine
from mlops_cli.tracking import open_tracker

BEFORE = timedelta(days=28)  # so much of the time before the experiment is looked at
_WAIT = 60.0  # seconds for a collect to end


def ab(
    project: Project,
    *,
    since: str,
    until: str | None = None,
    kpi: Path | None = None,
    target: str | None = None,
    progress: Progress = QUIET,
) -> AbResult:
    """Compare the candidate with the champion on what was logged from `since` until `until` (now).

    What the target has is collected first. `kpi` is a CSV or Parquet file of metrics by request,
    event or subject. The result is written to `reports/ab.json`, and an entry to the audit log
    where it is of other data than the last one. Raises `UsageError` where there are no two versions
    to compare or a metric needs the file, `DataError` for a file that cannot be used.
    """
    now = datetime.now(UTC)
    span = Stretch(moment_of(since, "--since"), moment_of(until, "--until") if until else now)
    if span.start >= span.end:
        raise UsageError(f"--since {since} is not before --until {until or 'now'}")
    _check_metrics(project, kpi)
    _, remarks = collect_what_is_there(project, target, progress)
    progress.update("comparing both arms")
    taken = EnvironmentFault("a collect of this project is going on", hint="wait for it")
    with (
        locked(project.cache / COLLECTING, otherwise=taken, seconds=_WAIT),
        open_engine(temporary=project.temporary) as engine,
    ):
        traffic = Traffic(engine, project.root)
        arms = find_arms(engine, traffic, span)
        look = _Look(engine, project, span, traffic, progress, arms)
        result = look.result(kpi, remarks)
        evidence = look.evidence(kpi)
    _keep(project, result, evidence)
    return result


def _check_metrics(project: Project, kpi: Path | None) -> None:
    config = project.config.ab
    named = [*filter(None, [config.primary]), *(g.metric for g in config.guardrails)]
    lacking = [n for n in named if n not in LOGGED]
    if lacking and kpi is None:
        raise UsageError(
            f"ab in mlops.yaml names {lacking[0]}, which the log does not have",
            hint=f"give --kpi FILE with that column; the log has {', '.join(LOGGED)}",
        )


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at the log."""

    engine: Engine
    project: Project
    span: Stretch
    traffic: Traffic
    progress: Progress
    arms: Arms

    def result(self, file: Path | None, remarks: tuple[str, ...]) -> AbResult:
        """What is found, all of it."""
        config = self.project.config
        arms = self.arms
        asked = self._asked(arms, file)
        before = self._before(asked)
        units = Units(read_units(self.engine, self.traffic, arms, before, asked), asked.kpi)
        rollout = config.deploy.rollout
        expected = rollout.weights[0] / 100 if rollout.strategy == "ab" else None
        primary = config.ab.primary or _primary(asked.kpi, units)
        found = compare(units, config.ab, primary=primary, expected=expected)
        more = [*self._remarks(asked, before, file, expected), *_of_units(units, asked)]
        return AbResult(
            since=self.span.start,
            until=self.span.end,
            champion=arms.champion,
            candidate=arms.candidate,
            unit=asked.unit,
            units=len(units.candidate),
            mixed=units.mixed,
            share=found.share,
            planned=config.ab.planned,
            primary=primary,
            winner=found.winner,
            reasons=found.reasons,
            metrics=found.metrics,
            guardrails=found.guardrails,
            segments=found.segments,
            remarks=(*remarks, *more),
        )

    def evidence(self, file: Path | None) -> dict[str, str]:
        """The digests of what was looked at: rows with their labels, and the file."""
        rows = fingerprint_sql(self.traffic, self.arms)
        found = {"predictions": hashlib.sha256(repr(self.engine.rows(rows)).encode()).hexdigest()}
        return found | ({"kpi": sha256_of(file)} if file is not None else {})

    def _asked(self, arms: Arms, file: Path | None) -> Asked:
        config = self.project.config
        sticky, ids = config.deploy.rollout.sticky, config.data.id.columns
        kpi = None
        if file is not None:
            named = [*filter(None, [config.ab.primary]), *(g.metric for g in config.ab.guardrails)]
            wanted = [p for n in named if n not in LOGGED for p in parts_of(n) if p is not None]
            kpi = read_kpi(self.engine, file, sticky=sticky, ids=ids, wanted=wanted)
        return Asked(self.span, sticky, config.ab.segments, self._manifest(arms), kpi)

    def _manifest(self, arms: Arms) -> Manifest | None:
        models = watched_models(self.project, arms.versions, progress=self.progress)
        return next((m.manifest for m in models.values()), None)

    def _before(self, asked: Asked) -> Selection | None:
        """The rows of the time before, where subjects are known again."""
        if not asked.unit:
            return None
        rows = self.traffic.predictions(Stretch(self.span.start - BEFORE, self.span.start))
        if rows is None:
            return None
        return Selection(f"(select * from {rows.sql} where variant <> '{SHADOW}')")

    def _remarks(
        self, asked: Asked, before: Selection | None, file: Path | None, expected: float | None
    ) -> Iterator[str]:
        if asked.manifest is None:
            yield (
                f"neither model ({', '.join(self.arms.versions)}) is to be had: what was predicted "
                "and what came of it is not compared"
            )
        if expected is None:
            yield (
                "the share of units in each arm is not tested: it is told beforehand where "
                "deploy.rollout.strategy is `ab` alone"
            )
        if asked.kpi is not None and file is not None:
            yield from self._of_file(asked.kpi, asked, before, file)

    def _of_file(
        self, kpi: Kpi, asked: Asked, before: Selection | None, file: Path
    ) -> Iterator[str]:
        sql, seen = matched_sql(kpi, self.arms, before, asked)
        ((found, example),) = self.engine.rows(sql)
        what = ", ".join(kpi.keys)
        if not found and kpi.rows:
            ((logged,),) = self.engine.rows(f"select any_value(key) from {seen}")
            raise DataError(
                f"{file}: none of its {kpi.rows:,} rows is of a unit that the log has between "
                f"{self.span.start:%Y-%m-%d %H:%M} and {self.span.end:%Y-%m-%d %H:%M}",
                hint=f"{what} is such as {_shown(example)} there, and {_shown(logged)} in the log",
            )
        if found < kpi.rows:
            yield f"{kpi.rows - found:,} of {kpi.rows:,} rows of {file.name} are of no unit here"
        if kpi.left_out:
            yield f"of {file.name} left out, as they are no numbers: {', '.join(kpi.left_out)}"


def _shown(key: str | None) -> str:
    return repr((key or "").replace("\x1f", ", ")[:60])


def _primary(kpi: Kpi | None, units: Units) -> str | None:
    """What decides where nobody said so: the file's only metric, or without a file the labels."""
    if kpi is not None:
        return kpi.metrics[0] if len(kpi.metrics) == 1 else None
    return "label" if "label" in units.names() and units.measure("label") else None


def _of_units(units: Units, asked: Asked) -> Iterator[str]:
    if units.mixed:
        why = "" if asked.unit else ": deploy.rollout.sticky keeps subjects in one arm"
        yield f"{units.mixed:,} units met both arms, and are left out{why}"


def _keep(project: Project, result: AbResult, evidence: dict[str, str]) -> None:
    """Write the result down, and into the audit log where it is of other data than the last."""
    file = project.root / AB_REPORT
    write_text(file, pretty_json(result))
    subject = {
        "candidate": result.candidate,
        "champion": result.champion,
        "since": f"{result.since:%Y-%m-%dT%H:%M:%SZ}",
        "planned": str(result.planned),
        "primary": result.primary or "none",
        "winner": result.winner or "none",
    }
    entries = [e for e in in_order(read_log(project.root).entries) if e.action == "ab"]
    if entries and entries[-1].subject == subject:
        before = {k: v for k, v in entries[-1].evidence.items() if k != "result"}
        if before == evidence:
            return
    draft = Draft(
        "ab", "done", subject, "; ".join(result.reasons), evidence | {"result": sha256_of(file)}
    )
    record(project, draft, copies=open_tracker(project))
