"""What one column alone predicts, and what adds up to the target."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mlops_cli.features.leakage import _auc, exact_combination, predictive_power

N = 4000
rng = np.random.default_rng(7)
x = rng.normal(size=N)
noise = rng.normal(size=N)
y = (x + noise > 0).tolist()


def power(**columns: object) -> dict[str, float]:
    return predictive_power(pa.table({**columns, "y": y}), "y", "binary")


def test_a_copy_of_the_target_is_found_in_whatever_form() -> None:
    found = power(
        same=y,
        upside_down=[not v for v in y],
        words=["late" if v else "in time" for v in y],
        codes=[["a", "b", "c"][i % 3] + str(v) for i, v in enumerate(y)],
        folded=[3.0 if v else (-9.0 if i % 2 else 9.0) for i, v in enumerate(y)],
    )
    assert min(found.values()) >= 0.999


def test_honest_columns_and_identifiers_are_no_leaks() -> None:
    found = power(
        signal=x,
        noise=rng.normal(size=N),
        row=list(range(N)),
        name=[f"n{i}" for i in range(N)],
        few=[f"g{i % 400}" for i in range(N)],
    )
    assert 0.7 < found["signal"] < 0.9
    for name in ("noise", "row", "name", "few"):
        assert found[name] < 0.6, name


def test_nulls_of_the_target_are_not_looked_at() -> None:
    table = pa.table({"c": x, "y": [v if i % 2 else None for i, v in enumerate(y)]})
    assert predictive_power(table, "y", "binary")["c"] == pytest.approx(power(c=x)["c"], abs=0.05)


def test_many_classes_take_the_class_predicted_worst() -> None:
    classes = ["a" if v < -0.5 else ("b" if v < 0.5 else "c") for v in x]
    half = [c if c == "a" else "other" for c in classes]
    found = predictive_power(pa.table({"all": x, "half": half, "y": classes}), "y", "multiclass")
    assert found["all"] > 0.98
    assert found["half"] < 0.9


def test_a_number_is_explained_by_its_copies() -> None:
    table = pa.table({"scaled": x * -3 + 1, "square": x**2, "weak": x + noise, "y": x})
    found = predictive_power(table, "y", "regression")
    assert found["scaled"] > 0.999999
    assert found["square"] < 0.1
    assert found["weak"] == pytest.approx(0.5, abs=0.05)


def test_an_exact_sum_is_found_and_an_inexact_one_is_not() -> None:
    a, b, c = (rng.integers(0, 1000, N) for _ in range(3))
    columns = {"a": a, "b": b, "c": c, "total": a + 2 * b - 7}
    found = exact_combination(pa.table(columns), "total", ["a", "b", "c"])
    assert set(found) == {"a", "b"}
    rough = {**columns, "total": a + 2 * b + rng.normal(size=N)}
    assert exact_combination(pa.table(rough), "total", ["a", "b", "c"]) == {}
    # As many columns as rows fit anything.
    few = {k: v[:20] for k, v in columns.items()}
    assert exact_combination(pa.table(few), "total", ["a", "b", "c"]) == {}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.booleans()), min_size=2, max_size=40
    ).filter(lambda rows: len({label for _, label in rows}) == 2)
)
def test_the_auc_is_that_of_the_field(rows: list[tuple[float, bool]]) -> None:
    score, label = np.array([s for s, _ in rows]), np.array([float(b) for _, b in rows])
    assert _auc(score, label) == pytest.approx(roc_auc_score(label, score))
