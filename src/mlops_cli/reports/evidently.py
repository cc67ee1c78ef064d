"""Evidently as the painter: it draws the columns, and is told our numbers and verdicts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from html import escape
from itertools import islice
from typing import Any

import pyarrow as pa

from mlops_cli.errors import EnvironmentFault
from mlops_cli.monitoring.drift.base import ColumnDrift
from mlops_cli.reports.base import DriftPage

os.environ.setdefault("DO_NOT_TRACK", "1")  # read by Evidently's telemetry when it is imported

with warnings.catch_warnings():  # evidently 0.7.23 still imports numpy.core
    warnings.simplefilter("ignore")
    from evidently import DataDefinition, Dataset, Report
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType
    from evidently.presets import DataDriftPreset

METHOD = "mlops_cli_verdict"


def draw(page: DriftPage, most: int) -> str:
    """A frame with pictures of the first `most` columns; see `Painter.draw`."""
    shown = list(islice((v for v in page.verdicts if page.has_values(v.name)), most))
    if not shown:
        raise EnvironmentFault("no column has values on both sides: there is nothing to draw")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inner = escape(_document(page, shown))
    except Exception as e:
        raise EnvironmentFault(
            f"Evidently could not draw the columns: {type(e).__name__}: {str(e)[:200]}",
            hint="`mlops doctor --deep` tries it by itself",
        ) from e
    return f'<iframe title="The columns, then and now" srcdoc="{inner}"></iframe>'


def _document(page: DriftPage, shown: Sequence[ColumnDrift]) -> str:
    _register(shown)
    names = [v.name for v in shown]
    preset = DataDriftPreset(
        columns=names,
        method=METHOD,
        drift_share=1 / len(names),
        per_column_threshold={v.name: v.threshold for v in shown},
    )
    current, reference = (_dataset(t.select(names)) for t in (page.current, page.reference))
    html: str = Report([preset]).run(current, reference).get_html_str(as_iframe=False)
    return html


def _register(verdicts: Sequence[ColumnDrift]) -> None:
    """Make our verdicts a test of Evidently's, which it looks up by the column's name."""
    known = {v.name: v for v in verdicts}

    def look_up(reference: Any, current: Any, kind: Any, threshold: float) -> tuple[float, bool]:
        verdict = known[str(reference.name)]
        return verdict.value, verdict.drifted

    test = StatTest(
        name=METHOD,
        display_name="mlops drift, as in the table above",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
    )
    register_stattest(test, look_up)


def _dataset(table: pa.Table) -> Any:
    texts = [f.name for f in table.schema if str(f.type) == "string"]
    numbers = [n for n in table.column_names if n not in texts]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    return Dataset.from_pandas(table.to_pandas(), data_definition=definition)
