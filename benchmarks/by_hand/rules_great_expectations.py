"""usage: rules_great_expectations.py FILE     the same rules as a suite, on pandas"""

from __future__ import annotations

import json
import sys
import time

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

RANGES = {"a": (0, 999), "b": (0, 99999), "c": (0, 100), "d": (0, 143), "e": (0, 364),
          "f": (0, 17)}  # fmt: skip
started = time.perf_counter()
frame = pd.read_parquet(sys.argv[1])
read = time.perf_counter() - started
context = gx.get_context(mode="ephemeral")
suite = context.suites.add(gx.ExpectationSuite(name="rules"))
for name, (low, high) in RANGES.items():
    suite.add_expectation(
        gxe.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high)
    )
suite.add_expectation(gxe.ExpectColumnValuesToBeBetween(column="id", min_value=0))
listed = ["AA", "UA", "DL", "B6", "EV"]
suite.add_expectation(gxe.ExpectColumnValuesToBeInSet(column="carrier", value_set=listed))
suite.add_expectation(gxe.ExpectColumnValuesToMatchRegex(column="tail", regex="^(?:N[0-9]{5})$"))
for name in ("id", "carrier", "at"):
    suite.add_expectation(gxe.ExpectColumnValuesToNotBeNull(column=name))
asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("table")
batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
assert batch.validate(suite).success
print(json.dumps({"seconds": time.perf_counter() - started, "read": read}))
