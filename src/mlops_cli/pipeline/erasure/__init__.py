"""Erase a subject: a table of places, each of which finds its rows and writes itself without."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter

if TYPE_CHECKING:
    from mlops_cli.pipeline.erasure.base import Place

PLACES: tuple[str, ...] = (
    "mlops_cli.pipeline.erasure.workspace",
    "mlops_cli.pipeline.erasure.dvc_objects",
    "mlops_cli.pipeline.erasure.recorded",
    "mlops_cli.pipeline.erasure.registry",
    "mlops_cli.pipeline.erasure.caches",
    "mlops_cli.pipeline.erasure.git",
)
"""The modules of the places, in the order in which they are erased; each has `open_place`."""


def open_place(module: str) -> Place:
    """The place of a module of `PLACES`."""
    return cast("Place", load_adapter(module).open_place())
