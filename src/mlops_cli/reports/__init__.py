"""Pages for people: what was found, as HTML and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter

if TYPE_CHECKING:
    from mlops_cli.reports.base import Painter

PAINTERS = {"svg": "mlops_cli.reports.svg", "evidently": "mlops_cli.reports.evidently"}
EXTRAS = {"evidently": "evidently"}  # what brings the library of a painter that needs one


def open_painter(name: str) -> Painter:
    """What draws the columns of a drift report: the module of that name."""
    return cast("Painter", load_adapter(PAINTERS[name], extra=EXTRAS.get(name)))
