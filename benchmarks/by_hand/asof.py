"""usage: asof.py FOLDER OUT     the features of lines/asof.py, by SQL of DuckDB alone"""

from __future__ import annotations

import json
import sys
import time

import duckdb

SQL = """
copy (
  with joined as (
    select e.*, l.level
    from '{0}/events.parquet' e
    asof left join (select *, "at" + interval 1 hour as known from '{0}/levels.parquet') l
    on e.k = l.k and e."at" >= l.known
  ), together as (
    select *, false as fact from joined
    union all by name
    select k, "at", level as value, true as fact from '{0}/levels.parquet'
  )
  select id, "at", y, x, level, mean_week, most_month, count_day, total_week from (
    select *, avg(value) over week as mean_week, max(value) over month as most_month,
      count(value) over day as count_day, sum(value) over week as total_week
    from together
    window
      day as (partition by k order by "at" range between interval '24:59:59.999999' preceding
        and interval 1 hour preceding),
      week as (partition by k order by "at" range between interval '168:59:59.999999' preceding
        and interval 1 hour preceding),
      month as (partition by k order by "at" range between interval '720:59:59.999999' preceding
        and interval 1 hour preceding)
  ) where not fact order by "at", id
) to '{1}' (format parquet, compression zstd)
"""
started, before = time.perf_counter(), time.process_time()
duckdb.sql("set enable_progress_bar = false")
duckdb.sql(SQL.format(*sys.argv[1:3]))
seconds, cpu = time.perf_counter() - started, time.process_time() - before
print(json.dumps({"seconds": seconds, "cpu": cpu}))
