"""Erase a subject: a table of places, each of which finds its rows and writes itself without."""

from __future__ import annotations

PLACES: tuple[str, ...] = (
    "mlops_cli.pipeline.erasure.workspace",
    "mlops_cli.pipeline.erasure.dvc_objects",
    "mlops_cli.pipeline.erasure.recorded",
    "mlops_cli.pipeline.erasure.registry",
    "mlops_cli.pipeline.erasure.caches",
    "mlops_cli.pipeline.erasure.git",
)
"""The modules of the places, in the order in which they are erased; each has `open_place`."""
