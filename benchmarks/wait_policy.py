"""One XGBoost fit with OpenMP threads that sleep while they wait, against threads that spin.

usage: python benchmarks/wait_policy.py [BUSY]      BUSY other processes compete for the cores

The two take turns, and the ratio is taken pair by pair: on a quiet machine it is near 1; where
other work competes, spinning threads burn the very time that the others need.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import subprocess
import sys

PAIRS = 5
FIT = """
import time
import numpy as np, xgboost as xgb
rng = np.random.default_rng(0)
x = rng.normal(size=(100_000, 17)).astype("f4")
d = xgb.QuantileDMatrix(x, x[:, 0] + rng.normal(size=len(x)) > 0)
start = time.perf_counter()
xgb.train({"objective": "binary:logistic", "nthread": 2, "max_depth": 6}, d, 40)
print(time.perf_counter() - start)
"""


def fit(policy: str) -> float:
    env = {**os.environ, "OMP_WAIT_POLICY": policy}
    done = subprocess.run(
        [sys.executable, "-c", FIT], env=env, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def spin() -> None:
    while True:
        pass


def main(busy: int) -> None:
    others = [multiprocessing.Process(target=spin, daemon=True) for _ in range(busy)]
    for other in others:
        other.start()
    pairs = [(fit("ACTIVE"), fit("PASSIVE")) for _ in range(PAIRS)]
    for other in others:
        other.terminate()
    ratio = statistics.median(spinning / sleeping for spinning, sleeping in pairs)
    seconds = statistics.median(sleeping for _, sleeping in pairs)
    print(json.dumps({"busy": busy, "spinning/sleeping": ratio, "sleeping, s": seconds}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
