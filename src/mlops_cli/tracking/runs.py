"""Write runs to MLflow in few calls."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from getpass import getuser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)

from mlops_cli._files import write_text
from mlops_cli.tracking.base import DatasetRecord, RunRecord, TrialRecord, Value

_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_TEXT = 6000  # the longest value of a parameter that MLflow takes
_DIGEST, _SCHEMA = 36, 1_000_000  # characters that MLflow takes of a dataset's
_PARAMS, _METRICS = 100, 900  # so many in one call; together MLflow takes 1000


def log_run(client: MlflowClient, experiment: str, run: RunRecord) -> str:
    """Write a finished run; returns its id."""
    run_id, now = _begin(client, experiment, run)
    _write(client, run_id, _params(run.params), _metrics(run.metrics, now))
    client.set_terminated(run_id, "FINISHED", now)
    return run_id


def _begin(client: MlflowClient, experiment: str, run: RunRecord) -> tuple[str, int]:
    """Make the run, with what it read and its files: its id, and the moment that ends it."""
    now = _now()
    start = now - round((run.seconds or 0.0) * 1000)
    made = client.create_run(experiment, start, {**_source(run), **run.tags}, run.name)
    run_id = str(made.info.run_id)
    if run.datasets:
        client.log_inputs(run_id, [_dataset(d) for d in run.datasets])
    if run.files:
        with TemporaryDirectory() as folder:
            for name, text in run.files.items():
                write_text(Path(folder, name), text)
            put_files(client, made, folder)
    return run_id, now


def put_files(client: MlflowClient, run: Run, folder: str, path: str | None = None) -> None:
    """Put a folder's files among a run's artifacts, below `path`.

    Not by the client: it remembers for the whole process where a run's files go, by the run's id,
    and those of a project that was copied have the same.
    """
    place: Any = get_artifact_repository(run.info.artifact_uri, tracking_uri=client.tracking_uri)
    place.log_artifacts(folder, path)


def delete_files(source: str, uri: str) -> None:
    """Delete what a version's `source` names at the server `uri`; what is gone is no fault."""
    place: Any = get_artifact_repository(source, tracking_uri=uri)
    place.delete_artifacts()


def _source(run: RunRecord) -> dict[str, str]:
    """What MLflow's own pages show of who made a run, and by what."""
    tags = {MLFLOW_SOURCE_NAME: f"mlops {run.name}", MLFLOW_SOURCE_TYPE: "LOCAL"}
    with suppress(OSError, KeyError):  # a container's user may have no name
        tags[MLFLOW_USER] = getuser()
    return tags | ({MLFLOW_GIT_COMMIT: run.tags["git_commit"]} if "git_commit" in run.tags else {})


def _dataset(d: DatasetRecord) -> DatasetInput:
    columns = [
        {"name": name, "type": "double" if number else "string", "required": False}
        for name, number in d.columns.items()
    ]
    schema = json.dumps({"mlflow_colspec": columns})
    profile = {"num_rows": d.rows, "num_elements": d.rows * len(columns)}
    dataset = Dataset(
        name=d.name,
        digest=d.digest[:_DIGEST],
        source_type="local",
        source=json.dumps({"uri": d.source}),
        schema=schema if len(schema) <= _SCHEMA else None,
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, d.role)])


def log_trials(
    client: MlflowClient, experiment: str, parent: RunRecord, trials: Sequence[TrialRecord]
) -> str:
    """Write a search: the parent with each trial's metrics by step, and a run a trial under it."""
    run_id, now = _begin(client, experiment, parent)
    steps = [m for t in trials for m in _metrics(t.metrics, now, prefix="trial.", step=t.number)]
    _write(client, run_id, _params(parent.params), [*_metrics(parent.metrics, now), *steps])
    for trial in trials:
        _log_trial(client, experiment, run_id, trial)
    client.set_terminated(run_id, "FINISHED", now)
    return run_id


def _log_trial(client: MlflowClient, experiment: str, parent: str, trial: TrialRecord) -> None:
    now = _now() if trial.ended is None else round(trial.ended * 1000)
    start = now if trial.began is None else round(trial.began * 1000)
    tags = {MLFLOW_PARENT_RUN_ID: parent, "state": trial.state}
    tags |= {"reason": trial.reason} if trial.reason else {}
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
