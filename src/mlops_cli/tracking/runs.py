"""Write runs to MLflow in few calls."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlops_cli.tracking.base import RunRecord, TrialRecord, Value

_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_TEXT = 6000  # the longest value of a parameter that MLflow takes
_PARAMS, _METRICS = 100, 900  # so many in one call; together MLflow takes 1000


def log_run(client: MlflowClient, experiment: str, run: RunRecord) -> str:
    """Write a finished run; returns its id."""
    now = _now()
    start = now - round((run.seconds or 0.0) * 1000)
    made = client.create_run(experiment, start, dict(run.tags), run.name)
    run_id = str(made.info.run_id)
    _write(client, run_id, _params(run.params), _metrics(run.metrics, now))
    client.set_terminated(run_id, "FINISHED", now)
    return run_id


def log_trials(
    client: MlflowClient, experiment: str, parent: RunRecord, trials: Sequence[TrialRecord]
) -> str:
    """Write a search: the parent with each trial's metrics by step, and a run a trial under it."""
    now = _now()
    start = now - round((parent.seconds or 0.0) * 1000)
    made = client.create_run(experiment, start, dict(parent.tags), parent.name)
    run_id = str(made.info.run_id)
    steps = [m for t in trials for m in _metrics(t.metrics, now, prefix="trial.", step=t.number)]
    _write(client, run_id, _params(parent.params), [*_metrics(parent.metrics, now), *steps])
    for trial in trials:
        _log_trial(client, experiment, run_id, trial)
    client.set_terminated(run_id, "FINISHED", now)
    return run_id


def _log_trial(client: MlflowClient, experiment: str, parent: str, trial: TrialRecord) -> None:
    now = _now()
    start = now - round((trial.seconds or 0.0) * 1000)
    tags = {MLFLOW_PARENT_RUN_ID: parent, "state": trial.state}
    made = client.create_run(experiment, start, tags, f"trial {trial.number}")
    _write(client, made.info.run_id, _params(trial.params), _metrics(trial.metrics, now))
    client.set_terminated(made.info.run_id, _STATUS[trial.state], now)


def _write(
    client: MlflowClient, run_id: str, params: Sequence[Param], metrics: Sequence[Metric]
) -> None:
    batches = max(math.ceil(len(params) / _PARAMS), math.ceil(len(metrics) / _METRICS))
    for i in range(batches):
        client.log_batch(
            run_id,
            params=params[i * _PARAMS : (i + 1) * _PARAMS],
            metrics=metrics[i * _METRICS : (i + 1) * _METRICS],
        )


def _params(values: Mapping[str, Value]) -> list[Param]:
    return [Param(_key(k), str(v)[:_TEXT]) for k, v in values.items()]


def _metrics(
    values: Mapping[str, float], now: int, *, prefix: str = "", step: int = 0
) -> list[Metric]:
    finite = {k: float(v) for k, v in values.items() if math.isfinite(v)}
    return [Metric(_key(prefix + k), v, now, step) for k, v in finite.items()]


def _key(name: str) -> str:
    return re.sub(r"[^\w\-. :/]", "_", name)[:250]  # what MLflow takes as a name


def _now() -> int:
    return round(time.time() * 1000)
