#!/usr/bin/env bash
# onnxmltools 1.16.0 on LightGBM 4.7.0 (PyPI): -1e-35 is 0 to LightGBM, and not to the model's ONNX form.
#
# A good engineer would guess that `x <= threshold` in float64 is all there is to a split of numbers. LightGBM
# reads every value within 1e-35f of zero as zero before it compares, and its own thresholds beside zero are
# exactly +-1.0000000180025095e-35: the value on which its border stands goes the other way in ONNX.
#
# Why it matters: a proof that tries the split points themselves finds every column with many zeros wrong, and
# who rounds thresholds to float32 finds the same. Move the threshold behind the border (to 1e-35f above zero,
# to the next float64 below -1e-35f) and every input goes the same way.
#
# Seen:
#   threshold -1.0000000180025095e-35: LightGBM 1.0000, ONNX 0.0000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  onnxmltools==1.16.0 lightgbm==4.7.0 onnxruntime==1.31.1 onnx==1.23.2 skl2onnx==1.20.0
cat >"$folder/zero.py" <<'PYTHON'
import lightgbm
import numpy as np
import onnxruntime
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

draw = np.random.default_rng(0)
rows = draw.normal(size=(2000, 1)).astype(np.float32)
rows[:900] = 0
truth = (rows[:, 0] >= 0) * 1.0
settings = {"verbose": -1, "learning_rate": 1.0, "num_leaves": 2}
booster = lightgbm.train(settings, lightgbm.Dataset(rows, truth, params={"verbose": -1}), 1)
threshold = booster.dump_model()["tree_info"][0]["tree_structure"]["threshold"]
model = convert_lightgbm(booster, initial_types=[("x", FloatTensorType([None, 1]))])
beside = np.array([[-1e-35]], np.float32)
found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": beside})[0]
own = booster.predict(beside.astype(np.float64))[0]
print(f"threshold {threshold}: LightGBM {own:.4f}, ONNX {float(np.ravel(found)[0]):.4f}")
PYTHON
said=$("$folder/venv/bin/python" "$folder/zero.py")
echo "$said"
[ "$said" = 'threshold -1.0000000180025095e-35: LightGBM 1.0000, ONNX 0.0000' ]
