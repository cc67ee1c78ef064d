"""Which store a project uses, as a URI; light, so that reading a cache needs no MLflow."""

from __future__ import annotations

import os
from pathlib import Path

from mlops_cli.config.paths import DATABASE

SQLITE = "sqlite:///"


def store_uri(root: Path, configured: str | None) -> str:
    """The store's URI: MLFLOW_TRACKING_URI, else `configured`, else `mlflow.db` in `root`.

    A relative SQLite path is the project's, wherever the command is typed.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or configured or f"{SQLITE}{DATABASE}"
    path = uri.removeprefix(SQLITE)
    if uri.startswith(SQLITE) and not path.startswith("/"):
        return f"{SQLITE}{root / path}"
    return uri


def own_database(root: Path, configured: str | None) -> Path | None:
    """The file of a registry that belongs to the project alone; None for one that others share."""
    file = sqlite_file(store_uri(root, configured))
    return file if file and file.resolve().is_relative_to(root.resolve()) else None


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite URI; None for any other store."""
    return Path(uri.removeprefix(SQLITE).partition("?")[0]) if uri.startswith(SQLITE) else None
