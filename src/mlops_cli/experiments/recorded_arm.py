"""What a version answered in some time, from the collected log, as if it were an arm's tallies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.config.project import Project
from mlops_cli.experiments.evidence import GROWTH, SHORTEST_MS, ArmStep, Moments
from mlops_cli.experiments.logged_evidence import own_loss, whole_loss
from mlops_cli.monitoring.collected.labelled import labelled
from mlops_cli.monitoring.collected.rows import said_sql
from mlops_cli.monitoring.collected.traffic import SHADOW, Selection, Traffic
from mlops_cli.monitoring.windows.grid import Stretch
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import literal

BEFORE = timedelta(days=1)  # so long before a rollout, that both arms are held to


def recorded_arm(
    project: Project, version: str, manifest: Manifest, *, since: datetime, until: datetime
) -> ArmStep | None:
    """The requests that a version (12 digits) answered as no one's shadow; None where none are.

    Its `dropped` are 0, its step is -1, and its numbers are of the sample that the log keeps.
    """
    bucket = f"greatest(0, ceil(ln(ms / {SHORTEST_MS}) / ln({GROWTH})))::int"
    said = "null" if manifest.task == "multiclass" else f"avg({said_sql(manifest)})"
    with open_engine(temporary=project.temporary) as engine:
        window = Traffic(engine, project.root).predictions(Stretch(_utc(since), _utc(until)))
        if window is None:
            return None
        requests = (
            f"(select segment, request_id, min(ms) as ms, {said} as said, "
            "bool_or(prediction is null) as failed "
            f"from {window.sql} where version = {literal(version)} and variant <> '{SHADOW}' "
            "group by all)"
        )
        ((count, errors, total, squares),) = engine.rows(
            "select count(*), count(*) filter (failed), "
            "coalesce(sum(said) filter (not failed), 0), "
            f"coalesce(sum(said * said) filter (not failed), 0) from {requests}"
        )
        found = engine.rows(
            f"select {bucket}, count(*) from {requests} where not failed and ms > 0 group by all"
        )
    if not count:
        return None
    return ArmStep(
        step=-1,
        requests=count,
        errors=errors,
        answered=count - errors,
        sum=float(total),
        squares=float(squares),
        latency=dict(sorted(found)),
    )


def recorded_losses(
    project: Project, version: str, manifest: Manifest, *, since: datetime, until: datetime
) -> Moments | None:
    """The losses of its requests that have labels, a failure's the worst; None without any."""
    with open_engine(temporary=project.temporary) as engine:
        traffic = Traffic(engine, project.root)
        window = traffic.predictions(Stretch(_utc(since), _utc(until)))
        if window is None:
            return None
        own = f"version = {literal(version)} and variant <> '{SHADOW}'"
        chosen = Selection(f"(select * from {window.sql} where {own})")
        found = labelled(chosen, traffic.labels_for(chosen), ids=manifest.id)
        ((count, total, squares),) = engine.rows(
            f"with said as (select *, {said_sql(manifest)} as said from {found}), "
            f"lost as (select *, {own_loss(manifest)} as own from said), "
            f"rows as (select *, {whole_loss(manifest)} as loss from lost), "
            "units as (select avg(loss) as m from rows group by request_id) "
            "select count(m), coalesce(sum(m), 0), coalesce(sum(m * m), 0) from units"
        )
    return Moments(count, float(total), float(squares)) if count else None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
