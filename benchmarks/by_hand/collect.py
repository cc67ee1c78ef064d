"""usage: collect.py SEGMENT FILE     lines of a prediction log into Parquet by DuckDB"""

from __future__ import annotations

import json
import sys
import time

import duckdb

_COLUMNS = {
    "time": "TIMESTAMP",
    "request_id": "VARCHAR",
    "row": "INTEGER",
    "id": "JSON",
    "model": "VARCHAR",
    "version": "VARCHAR",
    "variant": "VARCHAR",
    "key": "VARCHAR",
    "inputs": "JSON",
    "features": "VARCHAR",
    "prediction": "JSON",
    "ms": "DOUBLE",
    "error": "VARCHAR",
}

segment, file = sys.argv[1:]
started = time.perf_counter()
with duckdb.connect() as connection:
    read = f"read_json('{segment}', format='newline_delimited', columns={_COLUMNS})"
    connection.execute(f"copy (from {read}) to '{file}' (format parquet, compression zstd)")
print(json.dumps({"seconds": time.perf_counter() - started}))
