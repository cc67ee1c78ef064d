"""Runs and model versions behind one port; MLflow is the tracker."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter
from mlops_cli.tracking.address import store_uri
from mlops_cli.tracking.cached import CachedTracker

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_cli.config.project import Project
    from mlops_cli.tracking.base import Tracker

TRACKERS = {"mlflow": "mlops_cli.tracking.mlflow"}

# MLflow reads these when it calls a server. A server that is away must be known within seconds
# (MLflow's own defaults wait for minutes), and nobody is told what is done here. What the user has
# set wins.
_MLFLOW = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# What goes wrong is raised; a traceback or 60 lines of migrations beside it help nobody.
_LOGGERS = {
    "alembic": logging.WARNING,
    "mlflow.store.db.utils": logging.CRITICAL,
    "urllib3.connectionpool": logging.ERROR,
}


def open_tracker(project: Project) -> Tracker:
    """The tracker of a project, whose versions are of the model of the project's name.

    Nothing is contacted, created or imported until a method needs it.
    """
    config = project.config.tracking
    uri = store_uri(project.root, config.uri)
    return open_registry(project.root, uri, project.config.project, config.experiment)


def open_registry(root: Path, uri: str, model: str, experiment: str | None = None) -> Tracker:
    """The store at `uri`, with the versions of `model`; what is fetched is kept below `root`."""

    def load() -> Tracker:
        for variable, value in _MLFLOW.items():
            os.environ.setdefault(variable, value)
        for logger, level in _LOGGERS.items():
            logging.getLogger(logger).setLevel(level)
        adapter = load_adapter(TRACKERS["mlflow"])
        return cast("Tracker", adapter.MlflowTracker(root, uri, experiment, model))

    return CachedTracker(root, uri, model, load)


def preload() -> None:
    """Load the usual tracker's library, in a process that others are forked from."""
    load_adapter(TRACKERS["mlflow"])
