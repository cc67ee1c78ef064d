"""The image that serves a model: its build context, from the bundle and the runtime."""

from __future__ import annotations

from typing import cast

from mlops_cli._adapters import load_adapter
from mlops_cli.packaging.base import Builder

BUILDERS = {"docker": "mlops_cli.packaging.docker_engine"}


def open_builder(name: str = "docker") -> Builder:
    """What builds images: the module of that name."""
    return cast("Builder", load_adapter(BUILDERS[name]))
