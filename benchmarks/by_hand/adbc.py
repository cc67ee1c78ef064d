"""usage: adbc.py URL QUERY FILE     a query of PostgreSQL into Parquet"""

from __future__ import annotations

import json
import sys
import time

import adbc_driver_postgresql.dbapi as postgres
import pyarrow.parquet as pq

started = time.perf_counter()
rows = 0
hint = {"adbc.postgresql.batch_size_hint_bytes": "4000000"}
with (
    postgres.connect(sys.argv[1]) as connection,
    connection.cursor(adbc_stmt_kwargs=hint) as cursor,
):
    cursor.execute(sys.argv[2])
    reader = cursor.fetch_record_batch()
    with pq.ParquetWriter(sys.argv[3], reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))
