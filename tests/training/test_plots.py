"""Plots: small tables, the same every time, that say what they are named after."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from mlops_cli.training.charts import CHARTS
from mlops_cli.training.plots import importance_plot, plots

RNG = np.random.default_rng(0)
Y = (RNG.random(2000) < 0.3).astype(float)
P = np.clip(0.3 + 0.4 * (Y - 0.3) + RNG.normal(0, 0.2, 2000), 0, 1)


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_binary_curves_run_from_corner_to_corner():
    found = plots("binary", (False, True), Y, P)
    roc = rows(found["roc.csv"])
    assert (roc[0]["false_positive_rate"], roc[-1]["true_positive_rate"]) == ("0.0", "1.0")
    rates = [float(r["true_positive_rate"]) for r in roc]
    assert rates == sorted(rates)
    area = np.trapezoid(rates, [float(r["false_positive_rate"]) for r in roc])
    assert area == pytest.approx((P[Y == 1][:, None] > P[Y == 0]).mean(), abs=0.01)
    precision = [float(r["precision"]) for r in rows(found["precision_recall.csv"])]
    assert precision == sorted(precision, reverse=True)
    assert precision[-1] == pytest.approx(Y.mean(), abs=0.02)


def test_calibration_of_a_calibrated_model_lies_on_the_diagonal():
    p = RNG.random(20_000)
    y = (RNG.random(20_000) < p).astype(float)
    for row in rows(plots("binary", (0, 1), y, p)["calibration.csv"]):
        assert float(row["predicted"]) == pytest.approx(float(row["observed"]), abs=0.04)


def test_confusion_counts_every_row_by_its_classes():
    y = np.array([0.0, 0, 1, 2, 2])
    p = np.eye(3)[[0, 1, 1, 2, 2]]
    found = rows(plots("multiclass", ("a", "b", "c"), y, p)["confusion.csv"])
    assert [tuple(r.values()) for r in found] == [
        ("a", "a", "1"),
        ("a", "b", "1"),
        ("b", "b", "1"),
        ("c", "c", "2"),
    ]


def test_confusion_names_classes_as_the_api_does():
    found = plots("binary", (False, True), np.array([0.0, 1]), np.array([0.9, 0.9]))
    assert [r["actual"] for r in rows(found["confusion.csv"])] == ["false", "true"]


def test_regression_shows_a_bounded_number_of_rows():
    y = RNG.normal(size=5000)
    found = plots("regression", None, y, y + 1)
    assert len(rows(found["predictions.csv"])) == 500
    assert all(float(r["mean_residual"]) == -1 for r in rows(found["residuals.csv"]))


def test_a_hold_out_of_one_class_has_empty_curves_and_the_rest():
    found = plots("binary", (0, 1), np.zeros(10), np.full(10, 0.2))
    assert rows(found["roc.csv"]) == rows(found["precision_recall.csv"]) == []
    assert rows(found["calibration.csv"])


@pytest.mark.parametrize(
    ("task", "classes", "y", "p"),
    [
        ("binary", (0, 1), Y, P),
        ("multiclass", ("a", "b"), Y, np.stack([1 - P, P], axis=1)),
        ("regression", None, Y, P),
    ],
)
def test_every_table_has_its_chart_with_columns_that_it_holds(task, classes, y, p):
    found = plots(task, classes, y, p) | importance_plot({"a": 1.0})
    assert {f"{chart.name}.csv" for chart in CHARTS[task]} == set(found)
    for chart in CHARTS[task]:
        assert {chart.x, chart.y} <= set(rows(found[f"{chart.name}.csv"])[0])


def test_importance_ranks_features():
    text = importance_plot({"a": 0.2, "b": 0.5, "c": 0.2})["importance.csv"]
    assert [r["feature"] for r in rows(text)] == ["b", "a", "c"]
