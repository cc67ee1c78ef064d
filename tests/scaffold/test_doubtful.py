"""What may mean something else than what stands there is told, and what does not is left alone."""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from mlops_cli.contracts.model import Contract
from mlops_cli.scaffold.study import study_file
from mlops_cli.tables import open_engine

N = 400


def warnings(folder: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """What `init` warns of in a table of these and a number and a target of chance."""
    rng = random.Random(0)
    path = folder / "t.csv"
    with path.open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow([*names, "x", "y"])
        written.writerows([*row, rng.random(), rng.randrange(2)] for row in rows)
    return warnings_of(path)


def warnings_of(path: Path) -> list[str]:
    with open_engine() as engine:
        return list(study_file(engine, path, target="y", time=None).warnings)


def about(found: Sequence[str], words: str) -> list[str]:
    return [warning for warning in found if words in warning]


def test_rows_that_stand_there_twice_are_told(tmp_path: Path) -> None:
    warnings(tmp_path, ["c"], [("ab"[i % 2],) for i in range(N)])
    path = tmp_path / "t.csv"
    head, *rows = path.read_text().splitlines(keepends=True)
    assert not about(warnings_of(path), "repeat another one")
    path.write_text("".join([head, *rows, *rows[:100]]))
    (told,) = about(warnings_of(path), "repeat another one")
    assert told.startswith("100 of 500 rows")


@pytest.mark.parametrize("spread", [3, 30, 500])
def test_rows_that_are_alike_by_chance_are_left_alone(tmp_path: Path, spread: float) -> None:
    rng = random.Random(0)
    rows = [
        f"{rng.choice('abc')},{rng.gauss(0, spread):.0f},{rng.randrange(2)}\n" for _ in range(2000)
    ]
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(rows))
    assert len(set(rows)) < 1950
    assert not about(warnings_of(path), "repeat another one")


def test_categories_that_hardly_differ_are_told(tmp_path: Path) -> None:
    rows = [(("A", "A ", "a", "B")[i % 4], "pq"[i % 2]) for i in range(N)]
    (told,) = about(warnings(tmp_path, ["grade", "size"], rows), "blanks or case")
    assert "in grade:" in told


@pytest.mark.parametrize("value", ["2021-%02d", "2021/%02d", "2021Q%d"])
def test_months_as_text_are_told(tmp_path: Path, value: str) -> None:
    rows = [(value % (i % 4 + 1), f"2021-{i % 7}") for i in range(N)]
    (told,) = about(warnings(tmp_path, ["month", "code"], rows), "look like months")
    assert told.startswith("month is text")


def test_days_as_excel_counts_them_are_told_where_the_name_says_a_date(tmp_path: Path) -> None:
    rows = [(44_000 + i % 90, 44_000 + i % 90) for i in range(N)]
    (told,) = about(warnings(tmp_path, ["order_date", "amount"], rows), "Excel")
    assert told.startswith("order_date is a number from 44000 to 44089")


def test_a_number_that_may_mean_missing_is_told(tmp_path: Path) -> None:
    rows = [
        (
            -999 if i % 9 == 0 else 20 + i % 50,
            999 if i % 5 == 0 else i % 27,
            i % 1000 - 500,
            i % 100,
        )
        for i in range(N)
    ]
    found = about(warnings(tmp_path, ["age", "days", "balance", "percent"], rows), "means missing")
    assert [warning.split(",")[0] for warning in found] == [
        "age is -999 in 45 rows",
        "days is 999 in 80 rows",
    ]


def test_a_number_cannot_be_a_word_for_missing(tmp_path: Path) -> None:
    """A file's numbers are no texts, so that it would be one all the same, without a word."""
    column = {"type": "integer", "nullable": True, "missing": ["-999"]}
    with pytest.raises(ValueError, match=r"nullif\(COLUMN, -999\) under features\.row"):
        Contract.model_validate({"columns": {"age": column}})
    for kind, word in ("integer", "none"), ("text", "-999"):
        Contract.model_validate({"columns": {"age": {"type": kind, "missing": [word]}}})


@pytest.mark.parametrize("form", ["%Y%m%d%H%M%S", "%Y%m%d%H%M"])
def test_moments_as_digits_are_read(tmp_path: Path, form: str) -> None:
    begin = dt.datetime(2023, 1, 1)
    rows = [((begin + dt.timedelta(hours=7 * i)).strftime(form),) for i in range(N)]
    warnings(tmp_path, ["at"], rows)
    with open_engine() as engine:
        found = study_file(engine, tmp_path / "t.csv", target="y", time=None)
        relation = engine.typed(tmp_path / "t.csv", found.contract.forms)
        newest = engine.rows(f'select max("at") from {relation}')[0][0]
    assert (found.time, found.contract.columns["at"].format) == ("at", form)
    assert newest == begin + dt.timedelta(hours=7 * (N - 1))
