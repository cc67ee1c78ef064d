#!/usr/bin/env bash
# skl2onnx 1.20.0 (PyPI): a random forest's missing values go another way in ONNX, and nothing is said.
#
# A good engineer would guess that a converted forest predicts the same wherever scikit-learn predicts at all,
# or that the conversion refuses. scikit-learn sends a missing value, of a feature that had none in training,
# to the child with more samples; the ONNX form has no flag for it, where a comparison with NaN is false: right.
#
# Why it matters: a forest is fitted on whole rows, a service gets a null. No error on either side, a test on
# whole rows is green, and the answer is another class. HistGradientBoosting's flags are converted.
#
# Seen:
#   whole rows: largest difference 0.0000
#   one missing value: largest difference 1.0000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  skl2onnx==1.20.0 scikit-learn==1.9.1 onnxruntime==1.31.1
cat >"$folder/forest.py" <<'PYTHON'
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

draw = np.random.default_rng(0)
whole = draw.normal(size=(500, 2)).astype(np.float32)
forest = RandomForestClassifier(20, random_state=0).fit(whole, whole[:, 0] > 1)
options = {id(forest): {"zipmap": False}}
session = onnxruntime.InferenceSession(
    to_onnx(forest, whole[:1], options=options).SerializeToString()
)
gaps = whole.copy()
gaps[:, 0] = np.nan
for name, rows in (("whole rows", whole), ("one missing value", gaps)):
    apart = np.abs(session.run(None, {"X": rows})[1] - forest.predict_proba(rows)).max()
    print(f"{name}: largest difference {apart:.4f}")
PYTHON
said=$("$folder/venv/bin/python" "$folder/forest.py")
echo "$said"
[ "$said" = $'whole rows: largest difference 0.0000\none missing value: largest difference 1.0000' ]
