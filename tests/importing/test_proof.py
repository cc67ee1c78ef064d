"""The proof finds a served form that is wrong by one split, one side, one missing value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import held
from mlops_cli.errors import UsageError
from mlops_cli.importing.base import Original
from mlops_cli.importing.proof import prove
from mlops_cli.progress import QUIET
from mlops_cli.training.tree_splits import Tree, probes

MATRIX, _ = held.rows()
AT = 0.1  # no float32
# plain <= 0.1, then large <= 1e5 or a code among 1 and 3
TREE = Tree((0, 3, 1), (AT, 1e5, 0.0), (1, -1, -3), (2, -2, -4), (None, None, frozenset({1, 3})))


def _predict(matrix: Any, at: Any = AT, missing: float = 7.0) -> Any:
    first = np.where(matrix[:, 3] <= 1e5, 1.0, 2.0)
    second = np.where(np.isin(matrix[:, 1], [1, 3]), 3.0, 4.0)
    found = np.where(matrix[:, 0] <= at, first, second)
    return np.where(np.isnan(matrix[:, 0]), missing, found)


ORIGINAL = Original("a tree", "onnx", (b"",), "regression", 5, lambda m: _predict(m), trees=[TREE])


def _prove(served: Any, original: Original = ORIGINAL) -> Any:
    return prove(original, served, MATRIX, held.NAMES, progress=QUIET)


def test_rows_go_to_both_sides_of_every_split() -> None:
    narrow = MATRIX.astype(np.float32)
    made = {probe.node: matrix for matrix, probe in probes(0, TREE, narrow)}
    assert set(made) == {0, 1, 2}
    assert np.float32(AT) in made[0][:, 0]
    assert {np.float32(AT), *np.nextafter(np.float32(AT), np.float32([-1, 1]))} <= {*made[0][:, 0]}
    assert (made[1][:, 0] <= AT).all()  # reached
    assert (made[2][:, 0] > AT).all()
    assert {*_predict(np.concatenate([*made.values()]).astype(np.float64))} == {1, 2, 3, 4, 7}


def test_the_same_predictions_are_proven() -> None:
    proven = _prove(lambda m: _predict(m.astype(np.float64)))
    assert proven.largest == 0
    assert proven.of_splits == 5 + 5 + 2 + 3 + 3  # the categories: members, others, none of them


@pytest.mark.parametrize(
    ("served", "feature"),
    [
        # A threshold rounded to float32 is above 0.1: that float32 itself changes sides.
        (lambda m: _predict(m.astype(np.float64), at=float(np.float32(AT))), "plain"),
        (lambda m: _predict(m, at=np.nextafter(np.float32(AT), np.float32(0))), None),
        (lambda m: _predict(m.astype(np.float64), missing=1.0), "plain"),
    ],
)
def test_one_wrong_side_is_found_and_named(served: Any, feature: str | None) -> None:
    if feature is None:
        assert _prove(served).largest == 0  # rounded down, every float32 goes the same way
        return
    with pytest.raises(UsageError, match=f"`{feature}`") as caught:
        _prove(served)
    assert "predicts" in caught.value.message


def test_of_a_model_without_missing_values_none_is_tried() -> None:
    assert (
        _prove(
            lambda m: _predict(m.astype(np.float64), missing=1.0), replace(ORIGINAL, missing=False)
        ).largest
        == 0
    )
