"""Real tables that drift, as scores and labels by window: `python drifting.py TABLES FOLDER`.

The model is fitted on the first four fifths of January to May; the last fifth, which it has not
seen, is the reference (`part` -1), and everything later comes in windows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pandas as pd
import xgboost

CUT = pd.Timestamp("2013-06-01")
FLIGHTS = """
select f.carrier, f.origin, f.dest, f.distance, f.month, f.day, f.hour, f.minute,
    dayofweek(f.time_hour::timestamp) as dow, temp, dewp, humid, wind_dir, wind_speed, precip,
    pressure, visib, (arr_delay > 15)::integer as y, f.time_hour::timestamp as t
from '{tables}/flights.parquet' f asof left join (
    select * replace (time_hour::timestamp + interval 1 hour as time_hour)
    from '{tables}/weather.parquet') w
on f.origin = w.origin and f.time_hour::timestamp >= w.time_hour where arr_delay is not null
order by t, f.origin, f.dest, f.carrier, f.flight
"""
RAIN = """
select origin, hour, temp, dewp, humid, wind_dir, wind_speed, precip, pressure, visib,
    (lead(precip) over (partition by origin order by time_hour) > 0)::integer as y,
    time_hour::timestamp as t
from '{tables}/weather.parquet' qualify y is not null order by t, origin
"""
TABLES = {"flights": (FLIGHTS, "7D"), "rain": (RAIN, "14D")}


def main(tables: Path, folder: Path) -> None:
    """Write each table."""
    for name, (sql, window) in TABLES.items():
        scored(duckdb.sql(sql.format(tables=tables)).df(), window).to_parquet(
            folder / f"{name}.parquet", index=False
        )


def scored(rows: pd.DataFrame, window: str) -> pd.DataFrame:
    """Windows, scores and labels of the rows, which are in the order of their time."""
    names = [name for name in rows if name not in ("y", "t")]
    for name in names:
        if not pd.api.types.is_numeric_dtype(rows[name]):
            rows[name] = rows[name].astype("category").cat.codes
    past = rows[rows.t < CUT]
    kept = len(past) * 4 // 5
    settings = {"objective": "binary:logistic", "max_depth": 5, "eta": 0.1, "seed": 0}

    def matrix(part: pd.DataFrame) -> xgboost.DMatrix:
        return xgboost.DMatrix(part[names].astype("float32"), label=part.y)

    model = xgboost.train(settings, matrix(past[:kept]), 150)
    rest = rows[kept:].reset_index(drop=True)
    part = ((rest.t - CUT) // pd.Timedelta(window)).clip(lower=-1).astype(int)
    score = model.predict(matrix(rest)).astype(float)
    return pd.DataFrame({"part": part, "score": score, "y": rest.y.astype(int)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
