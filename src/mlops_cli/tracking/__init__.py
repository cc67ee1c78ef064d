"""Runs and model versions behind one port; MLflow is the tracker."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_cli.config.model import TrackingConfig
    from mlops_cli.tracking.base import Tracker

TRACKERS = {"mlflow": "mlops_cli.tracking.mlflow"}


def open_tracking(root: Path, config: TrackingConfig, project: str) -> Tracker:
    """The tracker of the project in the folder `root`; its versions are of the model `project`.

    Nothing is contacted or created until a method is called.
    """
    return cast("Tracker", load_adapter(TRACKERS["mlflow"]).open_tracking(root, config, project))
