#!/usr/bin/env bash
# CatBoost 1.2.10 (PyPI): the trees of a short fit are not the first trees of a longer one, even at
# a learning rate that is set: the Newton steps a leaf follow from `iterations`.
#
# A good engineer would guess that boosting adds trees to those that stand, so that a fit of 40
# rounds is where a fit of 400 has been after 40. The default of `leaf_estimation_iterations` is
# 1 below 200 iterations and 10 from there on (binary log loss, 2,000 rows).
#
# Why it matters: a trial that is fitted in stages, a learning curve, or rounds chosen in a long fit
# with early stopping and then asked for in a short one, are of two different models. Whoever
# chooses rounds writes `leaf_estimation_iterations` (and `learning_rate`) down.
#
# Seen:
#   leaf steps by iterations: {40: 1, 199: 1, 200: 10, 400: 10}
#   the first 40 of 400 trees predict as a fit of 40: False; with 1 step a leaf: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check catboost==1.2.10
cd "$folder"
said=$(venv/bin/python - <<'PY'
import numpy as np
from catboost import CatBoostClassifier

draw = np.random.default_rng(0)
rows = draw.normal(size=(2000, 5))
target = (rows[:, 0] + draw.normal(size=2000) > 0).astype(int)

def fit(iterations, **more):
    model = CatBoostClassifier(
        iterations=iterations, learning_rate=0.1, depth=4, thread_count=1, verbose=False,
        allow_writing_files=False, **more,
    )
    return model.fit(rows, target)

steps = {n: fit(n).get_all_params()["leaf_estimation_iterations"] for n in (40, 199, 200, 400)}

def same(**more):
    long, short = fit(400, **more), fit(40, **more)
    first = long.predict(rows, prediction_type="RawFormulaVal", ntree_end=40)
    return bool(np.allclose(first, short.predict(rows, prediction_type="RawFormulaVal")))

print("leaf steps by iterations:", steps)
print("the first 40 of 400 trees predict as a fit of 40:", f"{same()};", "with 1 step a leaf:",
      same(leaf_estimation_iterations=1))
PY
)
echo "$said"
[ "$said" = "leaf steps by iterations: {40: 1, 199: 1, 200: 10, 400: 10}
the first 40 of 400 trees predict as a fit of 40: False; with 1 step a leaf: True" ]
