"""The pictures of a run: what the tables hold, drawn to scale, self-contained."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from mlops_cli.bundle.manifest import Task
from mlops_cli.training.charts import CHARTS
from mlops_cli.training.drawings import drawings
from mlops_cli.training.plots import importance_plot, plots

SVG = "{http://www.w3.org/2000/svg}"
IMPORTANCE = {"a<b & c": 0.5, "x" * 60: 0.25, **{f"f{i}": 0.01 for i in range(40)}}


def tables(task: Task) -> dict[str, str]:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 300).astype(float)
    if task == "regression":
        return plots(task, None, 1e6 * y, 1e6 * y + random.normal(0, 9e5, 300))
    p = np.clip(0.3 + 0.4 * y + random.normal(0, 0.2, 300), 0, 1)
    if task == "binary":
        return plots(task, ("<no>", "yes"), y, p)
    return plots(task, ("<no>", "yes"), y, np.stack([1 - p, p], axis=1))


@pytest.mark.parametrize("task", CHARTS)
def test_every_chart_is_a_picture_that_needs_nothing_else(task: Task) -> None:
    found = drawings(task, tables(task) | importance_plot(IMPORTANCE))
    assert set(found) == {f"{chart.name}.svg" for chart in CHARTS[task]}
    for chart in CHARTS[task]:
        text = found[f"{chart.name}.svg"]
        said = {t.text for t in ET.fromstring(text).iter(f"{SVG}text")}
        axes = {chart.x.replace("_", " "), chart.y.replace("_", " ")}
        assert axes | {chart.title} <= said
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<script|\bnan\b", text)


def test_a_picture_has_its_tables_numbers() -> None:
    made = {"roc.csv": "false_positive_rate,true_positive_rate\n0,0\n0.5,0.75\n1,1\n"}
    made |= {
        "precision_recall.csv": "recall,precision\n",
        "calibration.csv": "predicted,observed\n",
    }
    made["confusion.csv"] = "actual,predicted,rows\nno,no,8\nyes,no,2\nyes,yes,5\n"
    found = drawings("binary", made | importance_plot(IMPORTANCE))
    assert set(found) == {"roc.svg", "confusion.svg", "importance.svg"}  # no rows, no picture
    (line,) = ET.fromstring(found["roc.svg"]).iter(f"{SVG}polyline")
    (x0, y0), (x1, y1), (x2, y2) = (map(float, p.split(",")) for p in line.get("points").split())
    assert (x1 - x0) / (x2 - x0) == pytest.approx(0.5)
    assert (y0 - y1) / (y0 - y2) == pytest.approx(0.75, abs=1e-3)
    cells = list(ET.fromstring(found["confusion.svg"]).iter(f"{SVG}rect"))[1:]
    assert len(cells) == 3
    bars = list(ET.fromstring(found["importance.svg"]).iter(f"{SVG}rect"))[1:]
    assert len(bars) == 25
    assert float(bars[0].get("width")) == pytest.approx(2 * float(bars[1].get("width")), abs=0.2)
    assert "a<b & c" in {t.text for t in ET.fromstring(found["importance.svg"]).iter(f"{SVG}text")}


def test_values_that_are_all_alike_are_drawn() -> None:
    made = plots("regression", None, np.full(9, 5.0), np.full(9, 5.0))
    assert len(drawings("regression", made | importance_plot({"a": 0.0}))) == 3
