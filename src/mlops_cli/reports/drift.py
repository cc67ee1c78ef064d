"""The HTML page of a drift report: our verdicts on top, pictures of the columns below."""

from __future__ import annotations

from pathlib import Path

from mlops_cli._files import write_text
from mlops_cli._templates import render
from mlops_cli.errors import EnvironmentFault
from mlops_cli.reports import open_painter
from mlops_cli.reports.base import DriftPage

TEMPLATE = "reports/drift.html.j2"
DRAWN = 50  # columns: nobody looks at more, and Evidently takes 0.2 s and 80 kB for each


def write_drift_page(page: DriftPage, path: Path, *, painter: str = "svg") -> str | None:
    """Write the page to `path`, whole or not at all, with pictures by the painter of that name.

    Returns why it has no pictures where they could not be drawn: the verdicts are worth a page
    without them, and the page says so too.
    """
    pictures, fault = "", None
    try:
        pictures = open_painter(painter).draw(page, DRAWN)
    except EnvironmentFault as e:
        fault = f"{e.message}; {e.hint}" if e.hint else e.message
    empty = [v.name for v in page.verdicts if not page.has_values(v.name)]
    text = render(
        TEMPLATE,
        page=page,
        drawn=DRAWN,
        empty=empty,
        painter=painter,
        pictures=pictures,
        fault=fault,
    )
    write_text(path, text)
    return fault
