"""How `dvc plots` draws the tables of `reports/plots/`: axes, marks, and a Vega-Lite template.

DVC draws a table that nobody describes as a line over its rows. Its own templates count lines
where ours hold counts, and cut bars off at the smallest value.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from mlops_cli.bundle.manifest import Task


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing of `<name>.csv`: its title, the columns of its axes, and its mark.

    `guide` is what a perfect model would show: the diagonal, or zero. Cells are coloured by the
    column `rows`.
    """

    name: str
    title: str
    x: str
    y: str
    mark: Literal["line", "point", "bar", "cell"]
    guide: Literal["diagonal", "zero"] | None = None


_ROC = Chart("roc", "ROC curve", "false_positive_rate", "true_positive_rate", "line", "diagonal")
_PRECISION = Chart(
    "precision_recall", "precision by recall", "recall", "precision", "line"
)  # fmt: skip
_CALIBRATION = Chart("calibration", "calibration", "predicted", "observed", "point", "diagonal")
_CONFUSION = Chart("confusion", "confusion matrix", "predicted", "actual", "cell")
_IMPORTANCE = Chart("importance", "feature importance", "importance", "feature", "bar")
CHARTS: dict[Task, tuple[Chart, ...]] = {
    "binary": (_ROC, _PRECISION, _CALIBRATION, _CONFUSION, _IMPORTANCE),
    "multiclass": (_CALIBRATION, _CONFUSION, _IMPORTANCE),
    "regression": (
        Chart("predictions", "predicted and actual", "predicted", "actual", "point", "diagonal"),
        Chart("residuals", "mean residual", "predicted", "mean_residual", "line", "zero"),
        _IMPORTANCE,
    ),
}


def template(chart: Chart) -> str:
    """The Vega-Lite template of a chart, with DVC's anchors for what it fills in."""
    marks: dict[str, list[dict[str, Any]]] = {
        "line": [{"mark": {"type": "line", "point": chart.guide == "zero"}}],
        "point": [{"mark": {"type": "point", "filled": True, "opacity": 0.7}}],
        "bar": [{"mark": "bar"}],
        "cell": [_cells(), _counts()],
    }
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": chart.title,
        "width": "<DVC_METRIC_PLOT_WIDTH>",
        "height": "<DVC_METRIC_PLOT_HEIGHT>",
        "layer": [*_guide(chart), *(_of_data(chart, mark) for mark in marks[chart.mark])],
    }
    return json.dumps(spec, indent=2) + "\n"


def _of_data(chart: Chart, mark: dict[str, Any]) -> dict[str, Any]:
    numbers = dict.fromkeys(_numbers(chart), "number")
    data = {"values": "<DVC_METRIC_DATA>", "format": {"parse": numbers}}
    return {"data": data, **mark, "encoding": _encoding(chart) | mark.get("encoding", {})}


def _numbers(chart: Chart) -> tuple[str, ...]:
    if chart.mark == "cell":
        return ("rows",)
    return (chart.x,) if chart.mark == "bar" else (chart.x, chart.y)


def _encoding(chart: Chart) -> dict[str, Any]:
    numbers = _numbers(chart)
    axes: dict[str, Any] = {
        axis: {
            "field": name,
            "type": "quantitative" if name in numbers else "nominal",
            "title": name.replace("_", " "),
        }
        for axis, name in (("x", chart.x), ("y", chart.y))
    }
    if chart.mark == "bar":
        axes["y"]["sort"] = "-x"
        axes["yOffset"] = {"field": "rev"}
    color = {} if chart.mark == "cell" else {"color": {"field": "rev", "type": "nominal"}}
    return axes | color


def _cells() -> dict[str, Any]:
    return {
        "mark": {"type": "rect", "opacity": 0.6},
        "encoding": {"color": {"field": "rows", "type": "quantitative"}},
    }


def _counts() -> dict[str, Any]:
    return {"mark": "text", "encoding": {"text": {"field": "rows", "type": "quantitative"}}}


def _guide(chart: Chart) -> list[dict[str, Any]]:
    rule = {"type": "rule" if chart.guide == "zero" else "line", "strokeDash": [4, 4]}
    drawn = {"mark": {**rule, "color": "gray", "opacity": 0.6}}
    match chart.guide:
        case None:
            return []
        case "zero":
            return [{"data": {"values": [{}]}, **drawn, "encoding": {"y": {"datum": 0}}}]
        case "diagonal":
            return [{"data": _ends(chart), **drawn, "encoding": _same_axes(chart)}]


def _ends(chart: Chart) -> dict[str, Any]:
    """The diagonal's ends: of shares the corners; of values each row's prediction, twice."""
    if chart.name != "predictions":
        return {"values": [{chart.x: 0, chart.y: 0}, {chart.x: 1, chart.y: 1}]}
    return {"values": "<DVC_METRIC_DATA>", "format": {"parse": {chart.x: "number"}}}


def _same_axes(chart: Chart) -> dict[str, Any]:
    y = chart.x if chart.name == "predictions" else chart.y
    return {
        "x": {"field": chart.x, "type": "quantitative"},
        "y": {"field": y, "type": "quantitative", "title": chart.y.replace("_", " ")},
    }
