"""XGBoost's numbers without SciPy are its numbers with it, to the bit."""

from __future__ import annotations

import json
import subprocess
import sys

import bundles

PROGRAM = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.models import load_model
from mlops_cli.serving.scipy_stand_in import stand_in_for_scipy
if sys.argv[2] == "without":
    sys.modules["sklearn"] = None
    stand_in_for_scipy()
model = load_model(open_bundle(Path(sys.argv[1])))
random = np.random.default_rng(0)
rows = random.normal(5, 40, size=(100_000, 7)).astype(np.float32)
rows[random.random(rows.shape) < 0.1] = np.nan
rows[:, :2] = random.integers(0, 3, size=(len(rows), 2))
parts, margins = model.contributions(rows[:200])
alone = [model.predict(rows[i : i + 1]) for i in range(200)]
numbers = [model.predict(rows), parts, margins, *alone]
digests = [hashlib.sha256(np.ascontiguousarray(n).tobytes()).hexdigest() for n in numbers]
print(json.dumps({"digests": digests, "scipy": hasattr(sys.modules["scipy"], "__file__")}))
"""


def _numbers(sample: bundles.Sample, how: str) -> dict[str, object]:
    command = [sys.executable, "-c", PROGRAM, str(sample.path), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_100_000_rows_have_the_same_numbers_with_and_without_scipy(
    samples: dict[tuple[str, bool], bundles.Sample],
) -> None:
    for task in ("binary", "multiclass", "regression"):
        sample = samples[task, False]
        with_it, without = _numbers(sample, "with"), _numbers(sample, "without")
        assert (with_it["scipy"], without["scipy"]) == (True, False)
        assert with_it["digests"] == without["digests"]
