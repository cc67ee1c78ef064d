"""The logs of one process, predictions and labels, in the folder that the settings name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlops_cli._adapters import load_adapter
from mlops_cli.serving.contract import HASH_KEY
from mlops_cli.serving.labels import LabelLog
from mlops_cli.serving.log import PredictionLog, Tell
from mlops_cli.serving.settings import Log
from mlops_cli.serving.uploader import Store, Uploader


@dataclass(frozen=True, slots=True)
class Logs:
    """Both of them."""

    predictions: PredictionLog
    labels: LabelLog
    uploader: Uploader | None = None

    def close(self) -> None:
        """Write what waits, and close the segments."""
        self.predictions.close()
        self.labels.close()
        if self.uploader is not None:
            self.uploader.close()


def open_logs(settings: Log | None, tell: Tell) -> Logs | None:
    """The logs, or None where there is no folder for them; `tell` hears of lines.

    Raises `EnvironmentFault` where segments are to be uploaded, and what that needs is not here.
    """
    if settings is None or settings.dir is None:
        return None
    folder, secret = Path(settings.dir), os.environ.get(HASH_KEY, "").encode() or None
    return Logs(
        PredictionLog(folder, settings, tell, secret=secret),
        LabelLog(folder, settings),
        Uploader(folder, open_store(settings.to)) if settings.to else None,
    )


def open_store(url: str) -> Store:
    """Where segments are uploaded; `EnvironmentFault` without the extra, or for what is no URL."""
    adapter = load_adapter("mlops_cli.serving.object_store", extra="s3")
    store: Store = adapter.ObjectStore(url)
    return store
