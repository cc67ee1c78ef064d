"""A model in this process: `mlops_cli.load(...).predict(frame)`."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from platformdirs import user_cache_path

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.config.root import find_project
from mlops_cli.cores import cores
from mlops_cli.errors import DataError, UsageError
from mlops_cli.scoring.frames import Rows, events_of, frame_of
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.requests import RequestError
from mlops_cli.tracking import open_registry
from mlops_cli.tracking.address import store_uri
from mlops_cli.tracking.base import Tracker
from mlops_cli.tracking.names import MODEL_URI, version_named

_CHUNK = 65_536  # rows that are Python objects at a time


class LoadedModel:
    """A verified bundle whose model is loaded; it predicts what the server would."""

    def __init__(self, bundle: Bundle) -> None:
        self.digest = bundle.digest
        self.version = bundle.version
        self.manifest: Manifest = bundle.manifest
        self._predictor = open_predictor(bundle, cores())

    def predict(self, rows: Rows) -> pd.DataFrame:
        """The predictions of raw rows, a row each, with the index of `rows`.

        `rows` is a data frame or a list of dicts with the model's inputs by name; further columns
        are left out. Columns: binary `probability`, `label`; multiclass `label` and
        `probability_<class>`; regression `value`. Raises `DataError` naming row and column of a
        value that the server would refuse.
        """
        frame = frame_of(rows)
        events = events_of(frame, self.manifest.inputs)
        numbers, start = [], 0
        while chunk := list(islice(events, _CHUNK)):
            try:
                matrix = self._predictor.encode(chunk, start)
            except RequestError as e:
                raise DataError(
                    f"row {e.row} (the first is 0), {e.message}",
                    hint="fix the value, or leave the row out",
                ) from e
            numbers.append(self._predictor.numbers(matrix))
            start += len(chunk)
        raw = np.concatenate(numbers) if numbers else self._predictor.raw([])
        return pd.DataFrame(self._predictor.columns(raw), index=frame.index)


def load(model: str | Path, *, project: Project | None = None) -> LoadedModel:
    """The model that `model` names: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, or a folder.

    VERSION is the registry's number or the version's 12 digits. The registry is that of `project`,
    by default of the one that this folder stands in; outside of any, the one that
    MLFLOW_TRACKING_URI names. A folder is a bundle, or a version that MLflow downloaded. Raises
    `UsageError` for what is not there, `BundleError` for files that are not what they should be.
    """
    if not str(model).startswith("models:"):
        return LoadedModel(open_bundle(Path(model)))
    asked = MODEL_URI.fullmatch(str(model))
    if asked is None:
        raise UsageError(
            f"{model} names no version", hint="models:/NAME@champion, or models:/NAME/VERSION"
        )
    tracker = _tracker(asked["model"], project)
    found = version_named(tracker, asked["version"], model=asked["model"])
    return LoadedModel(open_bundle(tracker.fetch(found.digest)))


def _tracker(name: str, project: Project | None) -> Tracker:
    project = project or _project()
    if project is None:
        return open_registry(user_cache_path("mlops-cli"), store_uri(Path.cwd(), None), name)
    return open_registry(project.root, store_uri(project.root, project.config.tracking.uri), name)


def _project() -> Project | None:
    try:
        root = find_project()
    except UsageError:
        if "MLFLOW_TRACKING_URI" in os.environ:
            return None
        raise
    return load_project(root)
