"""The HTML page of a drift report: our verdicts on top, Evidently's pictures below."""

from __future__ import annotations

from pathlib import Path

from mlops_cli._files import write_text
from mlops_cli._templates import render
from mlops_cli.errors import EnvironmentFault
from mlops_cli.reports import open_painter
from mlops_cli.reports.base import DriftPage

TEMPLATE = "reports/drift.html.j2"
DRAWN = 50  # columns: Evidently takes 0.2 s and 80 kB for each


def write_drift_page(page: DriftPage, path: Path) -> str | None:
    """Write the page to `path`, whole or not at all.

    Returns why it has no pictures where Evidently could not draw them: the verdicts are worth a
    page without them, and the page says so too.
    """
    pictures, fault = "", None
    try:
        pictures = open_painter().draw(page, DRAWN)
    except EnvironmentFault as e:
        fault = e.message
    empty = [v.name for v in page.verdicts if not page.has_values(v.name)]
    text = render(TEMPLATE, page=page, drawn=DRAWN, empty=empty, pictures=pictures, fault=fault)
    write_text(path, text)
    return fault
