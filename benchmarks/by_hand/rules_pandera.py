"""usage: rules_pandera.py FILE     the rules of lines/validate_others.py by pandera on pandas"""

from __future__ import annotations

import json
import sys
import time

import pandas as pd
import pandera.pandas as pa

RANGES = {"a": (0, 999), "b": (0, 99999), "c": (0, 100), "d": (0, 143), "e": (0, 364),
          "f": (0, 17)}  # fmt: skip
started = time.perf_counter()
frame = pd.read_parquet(sys.argv[1])
read = time.perf_counter() - started
columns = {
    name: pa.Column(checks=pa.Check.in_range(low, high), nullable=True)
    for name, (low, high) in RANGES.items()
}
columns["id"] = pa.Column(checks=pa.Check.ge(0), nullable=False)
columns["carrier"] = pa.Column(checks=pa.Check.isin(["AA", "UA", "DL", "B6", "EV"]), nullable=False)
columns["tail"] = pa.Column(checks=pa.Check.str_matches("^(?:N[0-9]{5})$"), nullable=True)
columns["at"] = pa.Column(nullable=False)
pa.DataFrameSchema(columns).validate(frame, lazy=True)
print(json.dumps({"seconds": time.perf_counter() - started, "read": read}))
