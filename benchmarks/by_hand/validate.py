"""usage: validate.py FILE [KEY]     the checks of lines/validate.py as one SELECT"""

from __future__ import annotations

import json
import sys
import time

import duckdb

CHECKS = (
    "a not between 0 and 999",
    "b not between 0 and 99999",
    "c not between 0 and 100",
    "d not between 0 and 143",
    "e not between 0 and 364",
    "f not between 0 and 17",
    "carrier not in ('AA', 'UA', 'DL', 'B6', 'EV')",
    "not regexp_full_match(tail, 'N[0-9]{5}')",
    "id < 0",
    *(f"{c} is null" for c in ("id", "a", "b", "c", "d", "e", "f", "carrier", "tail", '"at"')),
)
started = time.perf_counter()
cells = ["count(*)", 'max("at")', *(f"count_if({check})" for check in CHECKS)]
cells += [f"count(*) - count(distinct {key})" for key in sys.argv[2:]]
(found,) = duckdb.sql(f"select {', '.join(cells)} from '{sys.argv[1]}'").fetchall()
assert not any(found[2:])
print(json.dumps({"seconds": time.perf_counter() - started}))
