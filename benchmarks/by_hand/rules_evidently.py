"""usage: rules_evidently.py FILE     the same rules, but for the pattern, as Evidently's tests"""

from __future__ import annotations

import json
import sys
import time
import warnings

import pandas as pd

warnings.simplefilter("ignore")
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import InRangeValueCount, MinValue, MissingValueCount, OutListValueCount
from evidently.tests import eq, gte

RANGES = {"a": (0, 999), "b": (0, 99999), "c": (0, 100), "d": (0, 143), "e": (0, 364),
          "f": (0, 17)}  # fmt: skip
started = time.perf_counter()
frame = pd.read_parquet(sys.argv[1])
read = time.perf_counter() - started
definition = DataDefinition(
    numerical_columns=[*RANGES, "id"], categorical_columns=["carrier"], datetime_columns=["at"]
)
data = Dataset.from_pandas(frame, data_definition=definition)
rows = len(frame)
metrics = [
    InRangeValueCount(column=name, left=low, right=high, tests=[eq(rows)])
    for name, (low, high) in RANGES.items()
]
metrics.append(MinValue(column="id", tests=[gte(0)]))
listed = ["AA", "UA", "DL", "B6", "EV"]
metrics.append(OutListValueCount(column="carrier", values=listed, tests=[eq(0)]))
metrics += [MissingValueCount(column=name, tests=[eq(0)]) for name in ("id", "carrier", "at")]
found = Report(metrics).run(data, None).dict()
assert all("SUCCESS" in str(test["status"]).upper() for test in found["tests"]), found["tests"]
print(json.dumps({"seconds": time.perf_counter() - started, "read": read}))
