"""How MLflow's own client loads a version: the `loader_module` of its MLmodel.

Nothing is unpickled: a bundle is data, and the runtime that serves it predicts.
"""

from __future__ import annotations

from pathlib import Path

from mlops_cli.bundle.reader import open_bundle
from mlops_cli.scoring.loaded import LoadedModel


def _load_pyfunc(path: str) -> LoadedModel:
    """See `mlflow.pyfunc`: the model of the bundle in the folder `path`."""
    return LoadedModel(open_bundle(Path(path)))
