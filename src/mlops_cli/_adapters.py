"""The one seam through which engines and services are loaded, so that nothing else need be lazy."""

from __future__ import annotations

import importlib
from types import ModuleType

from mlops_cli.errors import EnvironmentFault


def load_adapter(module: str, *, extra: str | None = None) -> ModuleType:
    """Import an adapter by its full name.

    Raises `EnvironmentFault` naming the missing package, and the extra that brings it, where the
    library that the adapter stands on is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        missing = (e.name or "").partition(".")[0]
        if missing == "mlops_cli":
            raise
        package = f"mlops-cli[{extra}]" if extra else "mlops-cli"
        raise EnvironmentFault(
            f"the package {missing!r} is not installed, and {module} needs it",
            hint=f"pip install '{package}'",
        ) from e
