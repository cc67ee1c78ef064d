"""An artifact scheme of MLflow whose files move with the project.

MLflow stores absolute artifact paths. `mlops-project:/mlartifacts/...` is resolved when it is
used instead: against the folder of the SQLite file that is asked, else against the project.
MLflow finds the class by the entry point `mlflow.artifact_repository`, so that its own client,
`mlflow ui` and `mlflow server` understand the scheme wherever this package is installed.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.tracking import get_tracking_uri

from mlops_cli.config.root import find_project
from mlops_cli.errors import UsageError

SCHEME = "mlops-project"
LOCATION = f"{SCHEME}:/mlartifacts"
_SQLITE = "sqlite:///"


class ProjectArtifactRepository(LocalArtifactRepository):
    """Files under the project's `mlartifacts/`, by a URI that names no machine."""

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._artifact_dir = str(_folder(artifact_uri, tracking_uri or registry_uri))


def _folder(artifact_uri: str, tracking_uri: str | None) -> Path:
    path = PurePosixPath(unquote(urlsplit(artifact_uri).path).lstrip("/"))
    if ".." in path.parts:
        raise MlflowException(f"{artifact_uri} leads out of the project")
    return _project(tracking_uri) / path


def _project(tracking_uri: str | None) -> Path:
    # In a server's process the URI is the server's own store, which MLflow hands down in the
    # environment only.
    known = (tracking_uri, os.environ.get("_MLFLOW_SERVER_FILE_STORE"), get_tracking_uri())
    for uri in known:
        if uri and uri.startswith(_SQLITE):
            return Path(uri.removeprefix(_SQLITE).partition("?")[0]).absolute().parent
    try:
        return find_project()
    except UsageError as e:
        raise MlflowException(
            f"{SCHEME}: artifacts stand in a project's folder, and {e.message}; "
            "go to the project's folder or set MLOPS_PROJECT"
        ) from e
