"""What the collected log has of both arms: losses by labels, and with `sticky` all by key."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from mlops_cli.bundle.manifest import Manifest, class_key
from mlops_cli.config.project import Project
from mlops_cli.config.sections.rollout import LATENCIES, RolloutConfig
from mlops_cli.errors import UsageError
from mlops_cli.experiments.evidence import CANDIDATE, CHAMPION, Arm, Evidence, LoggedArm, Moments
from mlops_cli.experiments.latencies import QUANTILES, quantile_ms
from mlops_cli.monitoring.collected.labelled import labelled
from mlops_cli.monitoring.collected.recorded import BY_NAME, recorded_predictions
from mlops_cli.monitoring.collected.rows import said_sql
from mlops_cli.monitoring.collected.traffic import Selection, Traffic
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import literal, quote

CLIP = 0.001  # of a probability, from 0 and from 1
WORST = -math.log(CLIP)  # the log loss of a failure
_ASTRAY = timedelta(hours=1)  # that a server's clock may be behind
_LABEL, _ERRORS, _MEAN = "label", "error_rate", "prediction_mean"


def needs_log(config: RolloutConfig) -> bool:
    """Whether the judge asks for the log: by a rule on labels, or where units are keys."""
    return bool(config.sticky) or config.judge.label_rules


def check_log(project: Project, config: RolloutConfig) -> None:
    """Raise `UsageError` where the log will not hold what the judge is to read of it."""
    if not needs_log(config):
        return
    log = project.config.serve.log
    if log is None:
        raise UsageError(
            "the rollout's judge reads the prediction log (a rule on labels, or sticky), and "
            "serve.log is null",
            hint="leave serve.log out, or take another rule",
        )
    kept = None if log.columns == "all" else {*log.columns}
    for name in config.sticky:
        named = name in log.hash or (kept is not None and name in kept)
        hidden = name in log.leave_out or name in project.config.data.sensitive
        if not named and (hidden or kept is not None):
            raise UsageError(
                f"the prediction log leaves out {name!r}, by which deploy.rollout.sticky tells "
                "subjects apart",
                hint=f"serve: {{log: {{hash: [{name}]}}}} keeps a digest of it",
            )


def read_logged(  # one reading of the log, by all that says what is read
    project: Project,
    salt: str,
    config: RolloutConfig,
    manifest: Manifest,
    *,
    evidence: Evidence,
    step: int,
    since: datetime | None = None,
) -> tuple[LoggedArm, ...]:
    """Both arms of the rollout with that salt at each of its steps, from what was collected.

    `evidence` are the tallies, by which latencies of step `step` are called slow; `since` is when
    the rollout began. An event counts for the arm that it was assigned to; a failure is the worst
    loss: of a classification that of a probability of 0.001, of a regression the largest error
    that either arm had. Without `sticky` a unit is a request.
    """
    store = recorded_predictions(project.root)
    first = (since.astimezone(UTC) - _ASTRAY).date() if since is not None else date.min
    files = store.files(day for day in store.days() if day >= first)
    if not files:
        return ()
    named = ", ".join(literal(str(file)) for file in files)
    chosen = Selection(
        f"(select * from read_parquet([{named}], {BY_NAME}) "
        f"where rollout = {literal(salt)} and arm is not null)"
    )
    metrics = _metrics(config, manifest, _slow(evidence, step))
    with open_engine(temporary=project.temporary) as engine:
        labels = Traffic(engine, project.root).labels_for(chosen)
        found = labelled(chosen, labels, ids=manifest.id)
        rows = engine.rows(_sql(found, _unit(config, manifest), metrics, manifest))
    return tuple(_arm(row, tuple(metrics)) for row in rows)


def _slow(evidence: Evidence, step: int) -> dict[str, float]:
    """From how many milliseconds on an answer is slow: the champion's quantile in that step."""
    champion = evidence.at(CHAMPION, step)
    found = {name: quantile_ms(champion, QUANTILES[name]) for name in LATENCIES}
    return {name: ms for name, ms in found.items() if not math.isnan(ms)}


def _metrics(
    config: RolloutConfig, manifest: Manifest, slow: Mapping[str, float]
) -> dict[str, str]:
    """The value of a row for each metric that is asked for, as SQL."""
    asked = [rule.metric for rule in config.judge.rules]
    found: dict[str, str] = {}
    if _LABEL in asked:
        found[_LABEL] = "loss"
    if not config.sticky:
        return found
    if _ERRORS in asked:
        found[_ERRORS] = "(prediction is null)::int"
    if _MEAN in asked and manifest.task != "multiclass":
        found[_MEAN] = "said"
    for name, ms in slow.items():
        if name in asked:
            found[name] = f"case when prediction is not null then (ms > {ms!r})::int end"
    return found


def _unit(config: RolloutConfig, manifest: Manifest) -> str:
    if not config.sticky:
        return "request_id"
    numbers = {i.name for i in manifest.inputs if i.type in ("integer", "float")}
    return f"[{', '.join(_value(name, name in numbers) for name in config.sticky)}]::varchar"


def _value(name: str, number: bool) -> str:
    """An input as text; 3 and 3.0 are one number."""
    text = f"json_extract_string(inputs, {literal(f'$.{quote(name)}')})"
    return f"coalesce(try_cast({text} as double)::varchar, {text})" if number else text


def own_loss(manifest: Manifest) -> str:
    """The loss of a row that was answered; null without a label that is one of the model's."""
    if manifest.task == "regression":
        return "abs(said - try_cast(label as double))"
    keys = [literal(class_key(each)) for each in manifest.classes or ()]
    if manifest.task == "binary":
        own = f"case label when {keys[1]} then said when {keys[0]} then 1 - said end"
    else:
        own = f"said[list_position([{', '.join(keys)}], label)]"
    # of null and a number the greater one is the number
    return f"case when ({own}) is not null then -ln(greatest({CLIP}, least({1 - CLIP}, {own}))) end"


def whole_loss(manifest: Manifest) -> str:
    """The same where that is the column `own`, and of a failure the worst."""
    worst = "max(own) over ()" if manifest.task == "regression" else repr(WORST)
    known = "try_cast(label as double) is not null"
    if manifest.task != "regression":
        known = f"label in ({', '.join(literal(class_key(c)) for c in manifest.classes or ())})"
    return f"case when prediction is null then case when {known} then {worst} end else own end"


def _sql(found: str, unit: str, metrics: Mapping[str, str], manifest: Manifest) -> str:
    """Moments over units by step and arm; a unit's value is the mean of its rows'."""
    means = ", ".join(f"avg({sql}) as m{i}" for i, sql in enumerate(metrics.values()))
    moments = ", ".join(
        f"count(m{i}), coalesce(sum(m{i}), 0), coalesce(sum(m{i} * m{i}), 0)"
        for i in range(len(metrics))
    )
    return (
        f"with said as (select step, arm, {unit} as unit, prediction, ms, label, "
        f"{said_sql(manifest)} as said from {found}), "
        f"lost as (select *, {own_loss(manifest)} as own from said), "
        f"rows as (select *, {whole_loss(manifest)} as loss from lost), "
        f"units as (select step, arm, unit, count(loss) as labels{', ' * bool(means)}{means} "
        "from rows group by all) "
        f"select step, arm, count(*), sum(labels)::bigint{', ' * bool(moments)}{moments} "
        "from units group by all order by all"
    )


def _arm(row: Sequence[object], metrics: Sequence[str]) -> LoggedArm:
    step, arm, units, labels, *numbers = row
    return LoggedArm(
        step=int(str(step)),
        arm=_ARMS[str(arm)],
        units=int(str(units)),
        labels=int(str(labels)),
        metrics=dict(zip(metrics, _moments(numbers), strict=True)),
    )


_ARMS: Mapping[str, Arm] = {CHAMPION: CHAMPION, CANDIDATE: CANDIDATE}


def _moments(numbers: Sequence[object]) -> Iterator[Moments]:
    for count, total, squares in zip(*[iter(numbers)] * 3, strict=True):
        yield Moments(int(str(count)), float(str(total)), float(str(squares)))
