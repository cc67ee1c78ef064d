"""Do the fits of an average go by the same? By the library's own contributions of each."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from mlops_cli.reports.evaluation.lines import stability_said
from mlops_cli.reports.evaluation.stability import stability_of
from mlops_cli.training.bag import averaged

NAMES = ("a", "b", "c", "d")
ROUNDS = (12, 7, 20)
OBJECTIVES = {
    "binary": {"objective": "binary:logistic"},
    "multiclass": {"objective": "multi:softprob", "num_class": 3},
    "regression": {"objective": "reg:squarederror"},
}


@pytest.mark.parametrize("task", OBJECTIVES)
def test_shares_are_those_of_each_fit_by_itself(task):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(800, 4)).astype(np.float32)
    score = 2 * rows[:, 0] + rows[:, 1] * rows[:, 2]
    y = {"binary": score > 0, "multiclass": np.digitize(score, [-1, 1]), "regression": score}[task]
    fits = [
        xgboost.train(
            {**OBJECTIVES[task], "max_depth": depth, "subsample": 0.7, "seed": depth, "nthread": 1},
            xgboost.DMatrix(rows, y),
            rounds,
        )
        for depth, rounds in zip((2, 3, 5), ROUNDS, strict=True)
    ]
    whole = averaged([bytes(fit.save_raw("ubj")) for fit in fits], [0.5, 0.2, 0.3])
    found = stability_of(whole, NAMES, ROUNDS, rows[:200])
    shares = []
    for fit in fits:
        parts = fit.predict(xgboost.DMatrix(rows[:200]), pred_contribs=True)
        sizes = np.abs(parts.reshape(200, -1, 5)[:, :, :-1]).sum(axis=1).mean(axis=0)
        shares.append(sizes / sizes.sum())
    for i, name in enumerate(NAMES):
        ends = min(s[i] for s in shares), max(s[i] for s in shares)
        assert found.shares[name] == pytest.approx(ends, abs=1e-4)
    ranks = [np.argsort(np.argsort(s)) for s in shares]
    alike = np.mean([np.corrcoef(ranks[i], ranks[j])[0, 1] for i, j in ((0, 1), (0, 2), (1, 2))])
    assert found.rank_correlation == pytest.approx(alike)
    assert (found.fits, found.same_first) == (3, sum(s.argmax() == 0 for s in shares))
    assert "an average of 3 fits of the same rows: 3 of them" in stability_said(found)


def test_of_one_fit_or_other_rounds_nothing_is_told():
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    fit = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, rows[:, 0]), 5)
    content = bytes(fit.save_raw("ubj"))
    assert stability_of(content, NAMES, (5,), rows) is None
    assert stability_of(content, NAMES, (3, 3), rows) is None
    assert "not known" in stability_said(None)
