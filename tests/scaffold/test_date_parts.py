"""The parts of a date that `init` proposes: those that a model can have learned, and no other."""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections.abc import Callable, Iterable
from math import sin
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mlops_cli.actions.init import init
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import FEATURES_TABLE
from mlops_cli.errors import DataError
from mlops_cli.scaffold.examples import feature_values
from mlops_cli.scaffold.study import Study, study_file
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.validate import validate
from mlops_cli.tables import open_engine

BEGIN = dt.datetime(2019, 1, 1)
Moment = Callable[[int], dt.datetime]


def every(**step: float) -> Moment:
    return lambda i: BEGIN + i * dt.timedelta(**step)


def monthly(i: int) -> dt.datetime:
    return dt.datetime(2010 + i // 12, i % 12 + 1, 1)


def series(
    folder: Path, rows: int, moment: Moment, *, name: str = "date", form: str = "%Y-%m-%d"
) -> Path:
    rng = random.Random(0)
    cells = (
        (moment(i).strftime(form), round(sin(moment(i).timestamp() / 5e6) + rng.random(), 3))
        for i in range(rows)
    )
    return table(folder, [name, "value"], cells)


def table(folder: Path, names: list[str], rows: Iterable[tuple[object, ...]]) -> Path:
    path = folder / "t.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def study(path: Path, target: str = "value", time: str | None = None) -> Study:
    with open_engine() as engine:
        return study_file(engine, path, target=target, time=time)


def kinds(found: Study) -> list[str]:
    return [part.name.rsplit("_", 1)[1] for part in found.parts.taken]


CLOCK = "%Y-%m-%dT%H:%M:%S"


@pytest.mark.parametrize(
    ("rows", "moment", "form", "taken"),
    [
        pytest.param(60, every(days=1), "%Y-%m-%d", ["weekday"], id="two months: no season"),
        pytest.param(500, every(days=1), "%Y-%m-%d", ["weekday"], id="December only held out"),
        pytest.param(800, every(days=1), "%Y-%m-%d", ["month", "weekday"], id="two years"),
        pytest.param(
            1500, every(days=1), "%Y-%m-%d", ["month", "dayofyear", "weekday"], id="four years"
        ),
        pytest.param(120, monthly, "%Y-%m-%d", ["month"], id="monthly: month is all it says"),
        pytest.param(300, every(days=7), "%Y-%m-%d", ["month"], id="always Tuesday"),
        pytest.param(700, every(hours=1), CLOCK, ["weekday", "hour"], id="hours"),
    ],
)
def test_a_part_is_proposed_where_training_can_have_learned_it(
    rows: int, moment: Moment, form: str, taken: list[str], tmp_path: Path
) -> None:
    found = study(series(tmp_path, rows, moment, form=form))
    assert found.time == "date"
    assert kinds(found) == taken
    assert found.features == tuple(f"date_{kind}" for kind in taken)
    assert all(column.reason for column in found.parts.left_out)


def test_without_an_honest_part_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"date_month: .* that training has not seen") as caught:
        study(series(tmp_path, 20, every(days=7)))
    assert (
        "more rows: of date alone a month can be learned where the oldest 60% of the rows span"
        in (caught.value.hint or "")
    )


def test_a_year_of_birth_is_a_persons_and_a_years_to_come_is_not_learned(tmp_path: Path) -> None:
    rng = random.Random(0)
    born = [dt.date(1950, 1, 1) + dt.timedelta(days=rng.randrange(18_000)) for _ in range(1000)]
    rows = [(day, rng.random(), int(day.year + rng.gauss(0, 9) > 1980)) for day in born]
    found = study(table(tmp_path, ["born", "x", "y"], rows), "y")
    assert (found.time, kinds(found)) == (None, ["year"])
    assert found.features == ("x", "born_year")
    ages = [(day, 2024 - day.year, y) for day, _, y in rows]
    assert kinds(study(table(tmp_path, ["born", "age", "y"], ages), "y")) == []
    assert "year" not in kinds(study(table(tmp_path, ["born", "x", "y"], rows), "y", time="born"))


def test_what_a_column_tells_is_not_told_twice(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = []
    for i in range(20_000):
        at = BEGIN + dt.timedelta(hours=2 * i)
        local = at - dt.timedelta(hours=4 + (at.month < 4))  # of another zone than the moment's
        month, clock = local.strftime("%b"), local.hour * 100 + 30
        rows.append((at.isoformat(), month, local.day, clock, 50 * rng.random() + local.hour))
    found = study(table(tmp_path, ["at", "month", "day", "clock", "value"], rows))
    assert kinds(found) == ["weekday"]
    left = {column.name: column.reason for column in found.parts.left_out}
    assert left["at_hour"] == "clock tells it already"
    assert left["at_month"] == "month tells it already"
    assert left["at_dayofyear"] == "month and day tell it already"


def test_in_a_single_year_month_and_day_are_the_date(tmp_path: Path) -> None:
    rng = random.Random(0)
    days = [BEGIN + dt.timedelta(hours=i) for i in range(8700)]
    rows = [(at.isoformat(), at.month, at.day, rng.random()) for at in days]
    found = study(table(tmp_path, ["at", "month", "day", "value"], rows))
    assert kinds(found) == ["hour"]


def test_a_target_that_is_a_part_of_the_date_is_not_given_away(tmp_path: Path) -> None:
    rows = [
        ((BEGIN + dt.timedelta(days=i)).date(), i * 7 % 11, int(i % 7 in (4, 5)))
        for i in range(900)
    ]
    found = study(table(tmp_path, ["date", "x", "weekend"], rows), "weekend")
    assert "weekday" not in kinds(found)


def test_dates_of_birth_and_several_dates_give_no_parts(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [
        (dt.date(1950, 1, 1) + dt.timedelta(days=rng.randrange(18_000)), rng.random(), i % 2)
        for i in range(1000)
    ]
    born = study(table(tmp_path, ["born", "x", "y"], rows), "y")
    assert (born.time, kinds(born)) == (None, [])


def test_the_newest_row_may_come_first(tmp_path: Path) -> None:
    rows = [((BEGIN + dt.timedelta(days=900 - i)).date(), 900 - i) for i in range(900)]
    assert study(table(tmp_path, ["date", "value"], rows)).time == "date"


@pytest.mark.parametrize("name", ["date", "Order Date", "timestamp", "order", "month", 'a"b'])
def test_the_server_makes_the_parts_that_the_pipeline_makes(name: str, tmp_path: Path) -> None:
    rows = 40
    data = series(tmp_path, rows, every(hours=7), name=name, form=CLOCK)
    result = init(tmp_path / "p", data=data, target="value", git=False)
    assert result.features == (f"{name}_weekday", f"{name}_hour")
    project = load_project(tmp_path / "p")
    validate(project)
    featurize(project)
    made = pq.read_table(project.root / FEATURES_TABLE).select(list(result.features)).to_pylist()
    asked = [{name: every(hours=7)(i).strftime(CLOCK)} for i in range(rows)]
    assert made == feature_values(project, asked)
    assert {row[f"{name}_weekday"] for row in made} == set(range(1, 8))
