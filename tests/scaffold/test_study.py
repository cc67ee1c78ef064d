"""What `init` reads from a file: names of rows, words for missing, dates, times."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.actions.init import init
from mlops_cli.config.load import load_project
from mlops_cli.errors import DataError, UsageError
from mlops_cli.scaffold.study import Study
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ColumnForm
from studying import csv_of, study


def said(found: Study, what: str) -> dict[str, str]:
    return {g.value: g.why for g in found.guesses if g.what == what}


@pytest.mark.parametrize("n", [9_250, 10_000, 11_000])
def test_a_name_of_a_row_is_none_of_the_features_whatever_a_sketch_counts(
    n: int, tmp_path: Path
) -> None:
    rng = random.Random(n)
    rows = [(i + 1, rng.random(), int(rng.random() < i / n)) for i in range(n)]
    found = study(csv_of(tmp_path, ["id", "x", "y"], rows), "y")
    assert found.choice.features == ("x",)
    assert found.event == ("id",)


@pytest.mark.parametrize("order", ["rising", "shuffled"])
def test_a_name_with_gaps_as_a_float_is_one_though_the_target_changes_along_it(
    order: str, tmp_path: Path
) -> None:
    rng, rows, name = random.Random(0), [], 5000.0
    for i in range(3000):
        name += rng.randrange(1, 40)
        rows.append((name if i % 50 else "", rng.random(), int(rng.random() < i / 3000)))
    if order == "shuffled":
        rng.shuffle(rows)
    found = study(csv_of(tmp_path, ["cid", "x", "y"], rows), "y")
    assert found.choice.features == ("x",)


def test_amounts_are_features_though_hardly_two_are_the_same(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [(a := rng.randrange(10**6), int(rng.random() < a / 10**6)) for _ in range(1000)]
    found = study(csv_of(tmp_path, ["amount", "y"], rows), "y")
    assert found.choice.features == ("amount",)


def test_amounts_that_chance_repeats_are_features_though_they_tell_nothing_alone(
    tmp_path: Path,
) -> None:
    rng = random.Random(0)
    rows = [(rng.randrange(10**5), rng.random(), rng.randrange(2)) for _ in range(3000)]
    found = study(csv_of(tmp_path, ["income", "x", "y"], rows), "y")
    assert "income" in found.choice.features


@pytest.mark.parametrize("distinct", [999, 1000, 1001, 1020])
def test_the_limit_of_many_texts_is_counted(distinct: int, tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [(f"c{i % distinct}", rng.random(), int(rng.random() < 0.5)) for i in range(11_000)]
    found = study(csv_of(tmp_path, ["text", "x", "y"], rows), "y")
    assert ("text" in found.choice.features) == (distinct <= 1000)


def penguins(n: int = 300) -> list[tuple[object, ...]]:
    rng = random.Random(0)
    return [
        (
            rng.choice(["Adelie", "Gentoo"]),
            rng.choice([3500, 4000, "NA", 4200]),
            rng.choice(["male", "female", "NA"]),
            rng.choice(["US", "DE", "NA"]),
            rng.choice(["None", "Gold", "Silver"]),
            rng.choice(["Private", "State", "?"]),
            rng.choice(["low", "high", "none", "n/a"]),
        )
        for _ in range(n)
    ]


PENGUINS = ["species", "mass", "sex", "country", "tier", "work", "level"]


def test_a_word_for_missing_is_one_where_the_other_values_say_so(tmp_path: Path) -> None:
    found = study(csv_of(tmp_path, PENGUINS, penguins()), "species")
    columns = found.contract.columns
    assert columns["sex"].missing == ("NA",)
    assert columns["work"].missing == ("?",)
    assert columns["level"].missing == ("n/a",)
    assert columns["country"].missing == columns["tier"].missing == ()
    assert columns["sex"].categories == ("female", "male")
    assert columns["sex"].nullable
    assert columns["country"].categories == ("DE", "NA", "US")
    assert said(found, "read")["sex"] == "missing where it is NA"
    assert any("country: NA is taken as a value" in w for w in found.warnings)
    assert any("tier: None is taken as a value" in w for w in found.warnings)


def test_csv_and_parquet_of_the_same_table_give_one_contract(tmp_path: Path) -> None:
    rows = [[None if v == "NA" and j == 1 else v for j, v in enumerate(r)] for r in penguins()]
    table = pa.table({n: [r[j] for r in rows] for j, n in enumerate(PENGUINS)})
    pq.write_table(table, tmp_path / "t.parquet")
    from_csv = study(csv_of(tmp_path, PENGUINS, penguins()), "species").contract
    assert study(tmp_path / "t.parquet", "species").contract == from_csv


@pytest.mark.parametrize("word", ["NA", "N/A", "?", "-", "missing"])
def test_numbers_beside_a_word_are_numbers_in_parquet_too(tmp_path: Path, word: str) -> None:
    rng = random.Random(0)
    cells = [rng.choice(["1.5", "2", "3.25", word]) for _ in range(200)]
    table = pa.table({"x": cells, "y": [rng.randrange(2) for _ in cells]})
    pq.write_table(table, tmp_path / "t.parquet")
    column = study(tmp_path / "t.parquet", "y").contract.columns["x"]
    assert (column.type, column.nullable, column.missing) == ("float", True, (word,))
    codes = [rng.choice(["01502", "10001", word]) for _ in range(200)]
    pq.write_table(table.set_column(0, "x", [codes]), tmp_path / "t.parquet")
    assert study(tmp_path / "t.parquet", "y").contract.columns["x"].type == "text"


def test_yes_and_no_stay_what_the_file_has(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [(rng.choice(["Yes", "No"]), rng.choice("TF"), rng.choice(["True", "False"]),
             rng.choice(["yes", "no"])) for _ in range(200)]  # fmt: skip
    found = study(csv_of(tmp_path, ["smoker", "old", "new", "churn"], rows), "churn")
    types = found.contract.types
    assert types == {"smoker": "text", "old": "text", "new": "boolean", "churn": "text"}
    assert found.positive is not None
    assert found.positive.label == "yes"


def test_a_dash_does_not_make_text_of_numbers(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [(rng.choice([1.5, 2, "-", "missing"]), rng.randrange(2)) for _ in range(200)]
    found = study(csv_of(tmp_path, ["x", "y"], rows), "y")
    column = found.contract.columns["x"]
    assert (column.type, column.nullable, set(column.missing)) == ("float", True, {"-", "missing"})


FIRST = dt.datetime(2023, 1, 1)
DATES = {
    "american": ("%m/%d/%Y", "date"),
    "german": ("%d.%m.%Y", "date"),
    "month": ("%b %d %Y", "date"),
    "long": ("%B %d, %Y", "date"),
    "digits": ("%Y%m%d", "date"),
    "clock": ("%m/%d/%Y %H:%M", "timestamp"),
    "noon": ("%d/%m/%Y %I:%M %p", "timestamp"),
}


@pytest.mark.parametrize("name", DATES)
def test_dates_of_every_form_are_read(name: str, tmp_path: Path) -> None:
    form, kind = DATES[name]
    rng = random.Random(0)
    days = [FIRST + dt.timedelta(minutes=rng.randrange(700_000)) for _ in range(300)]
    rows = [(d.strftime(form), rng.random(), rng.randrange(2)) for d in days]
    path = csv_of(tmp_path, ["day", "x", "y"], rows)
    column = study(path, "y").contract.columns["day"]
    assert (column.type, column.format) == (kind, form)
    found = study(path, "y", time="day")
    assert (found.time, found.contract.columns["day"].type) == ("day", "timestamp")
    with open_engine() as engine:
        relation = engine.typed(path, {"day": found.contract.columns["day"].form})
        read = [row[0] for row in engine.rows(f"select day from {relation} order by __row__")]
    midnight = dict.fromkeys(("hour", "minute"), 0) if kind == "date" else {}
    assert read == [d.replace(second=0, **midnight) for d in days]


def epochs(folder: Path, unit: int) -> Path:
    rng = random.Random(0)
    begin = int(FIRST.replace(tzinfo=dt.UTC).timestamp())
    rows = [((begin + rng.randrange(4 * 10**7)) * unit, rng.random(), i % 2) for i in range(300)]
    return csv_of(folder, ["at", "x", "y"], rows)


def test_milliseconds_since_1970_are_moments(tmp_path: Path) -> None:
    found = study(epochs(tmp_path, 1000), "y")
    assert (found.contract.columns["at"].format, found.time) == ("epoch_ms", "at")


def test_a_number_of_13_digits_that_no_name_calls_a_moment_is_a_number(tmp_path: Path) -> None:
    path = epochs(tmp_path, 1000)
    path.write_text(path.read_text().replace("at,", "ean,", 1))
    found = study(path, "y")
    assert (found.contract.columns["ean"].type, found.time) == ("integer", None)
    assert any("--date-format 'ean=epoch_ms'" in said for said in found.warnings)


def test_seconds_since_1970_may_be_another_number_and_the_user_is_told_how(tmp_path: Path) -> None:
    path = epochs(tmp_path, 1)
    (warning,) = [w for w in study(path, "y").warnings if "at is a number" in w]
    assert "--date-format 'at=epoch_s'" in warning
    assert study(path, "y", time="at").contract.columns["at"].format == "epoch_s"
    given = study(path, "y", formats={"at": "epoch_s"})
    assert given.contract.columns["at"].type == "timestamp"


def test_dates_that_may_be_two_things_are_said_and_settled_by_the_user(tmp_path: Path) -> None:
    rows = [(f"{i % 12 + 1:02}/{i % 9 + 1:02}/2024", i * 7 % 11, i % 2) for i in range(200)]
    path = csv_of(tmp_path, ["day", "x", "y"], rows)
    found = study(path, "y")
    assert found.contract.types["day"] == "text"
    assert any("may be %m/%d/%Y or %d/%m/%Y" in w for w in found.warnings)
    with pytest.raises(DataError, match="may be %m/%d/%Y or %d/%m/%Y"):
        study(path, "y", time="day")
    settled = study(path, "y", time="day", formats={"day": "%d/%m/%Y"})
    assert settled.contract.columns["day"].format == "%d/%m/%Y"


def test_a_project_is_called_as_its_folder_whatever_dates_it_has(tmp_path: Path) -> None:
    rows = [(f"{i % 28 + 1}/{i % 12 + 1}/2024", i * 7 % 11, i % 2) for i in range(200)]
    path = csv_of(tmp_path, ["day", "x", "y"], rows)
    init(tmp_path / "p", data=path, target="y", formats={"day": "%d/%m/%Y"}, git=False)
    assert load_project(tmp_path / "p").config.project == "p"


def test_dates_that_end_as_something_else_are_text_and_said(tmp_path: Path) -> None:
    rows = [(f"{i % 28 + 1}.3.2024" if i < 1100 else "soon", i % 7, i % 2) for i in range(1200)]
    found = study(csv_of(tmp_path, ["day", "x", "y"], rows), "y")
    assert found.contract.types["day"] == "text"
    assert any("100 of its 1200 values are none" in w for w in found.warnings)


def test_two_numbers_with_fractions_are_no_classes(tmp_path: Path) -> None:
    path = csv_of(tmp_path, ["x", "y"], [(i % 7, [4.5, 5.0][i * 5 % 3 % 2]) for i in range(200)])
    with pytest.raises(UsageError, match=r"two values, 4.5 and 5.0") as e:
        study(path, "y")
    assert e.value.hint is not None
    assert study(path, e.value.hint.split("'")[1]).task == "binary"
    with pytest.raises(UsageError, match=r"two values, 9.0 and 10.0"):
        study(path, "z = y * 2.0")


def of_dates(folder: Path, dates: Iterable[dt.date], shares: Sequence[float]) -> Path:
    """Rows in any order, whose target's share goes along the dates as `shares` say."""
    rng, ordered = random.Random(0), sorted(dates)
    rows = [
        (d, rng.random(), int(rng.random() < shares[i * len(shares) // len(ordered)]))
        for i, d in enumerate(ordered)
    ]
    rng.shuffle(rows)
    return csv_of(folder, ["day", "x", "y"], rows)


def days(first: dt.date, spread: int, n: int = 1500) -> list[dt.date]:
    rng = random.Random(1)
    return [first + dt.timedelta(days=rng.randrange(spread)) for _ in range(n)]


@pytest.mark.parametrize(
    ("dates", "shares", "why"),
    [
        (days(dt.date(1940, 1, 1), 65 * 365), [0.5], "as dates of birth do"),
        (days(dt.date(2020, 1, 1), 900), [0.7, 0.6, 0.3, 0.1], "changes along it"),
        (days(dt.date(2090, 1, 1), 900), [0.5], "still to come"),
    ],
)
def test_no_time_is_guessed_that_the_data_speak_against(
    dates: list[dt.date], shares: list[float], why: str, tmp_path: Path
) -> None:
    path = of_dates(tmp_path, dates, shares)
    found = study(path, "y")
    assert found.time is None
    assert why in said(found, "no time")["day"]
    assert "--time COLUMN" in said(found, "no time")["day"]
    asked = study(path, "y", time="day")
    moved = [w for w in asked.warnings if "y changes along day: the share of 1 is" in w]
    assert (asked.time, len(moved)) == ("day", int(len(shares) > 1))


def test_a_quiet_time_is_guessed_without_a_word(tmp_path: Path) -> None:
    found = study(of_dates(tmp_path, days(dt.date(2020, 1, 1), 900), [0.4, 0.45, 0.5]), "y")
    assert found.time == "day"
    assert not any("changes along" in w for w in found.warnings)


def test_a_column_called_as_the_prediction_is_said(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [(rng.random(), rng.random()) for _ in range(200)]
    found = study(csv_of(tmp_path, ["value", "temp"], rows), "temp")
    assert any("calls the prediction's own predicted_value" in w for w in found.warnings)


def test_codes_with_zeros_at_the_front_are_not_taken_for_amounts(tmp_path: Path) -> None:
    rng = random.Random(0)
    codes = ["01502", "02139", "60614", "94110"]
    rows = [(rng.choice(codes), f"${rng.randrange(99)}.5", rng.randrange(2)) for _ in range(400)]
    warnings = study(csv_of(tmp_path, ["zip", "size", "y"], rows), "y").warnings
    assert [w.split(" is text")[0] for w in warnings if "look like numbers" in w] == ["size"]


def test_a_class_that_is_written_as_missing_is_named(tmp_path: Path) -> None:
    rows = [(i / 7, "yes" if i % 3 else "NA") for i in range(90)]
    with pytest.raises(DataError, match="one value only and is missing in 30 of 90 rows"):
        study(csv_of(tmp_path, ["x", "y"], rows), "y")


def test_classes_that_hardly_differ_are_named(tmp_path: Path) -> None:
    rows = [(i / 7, ("yes", " yes", "Yes", "no")[i % 4]) for i in range(200)]
    warnings = study(csv_of(tmp_path, ["x", "y"], rows), "y").warnings
    (said,) = [w for w in warnings if "blanks or case" in w]
    assert "' yes', 'Yes', 'yes': write them alike" in said


def test_a_value_that_is_no_number_ends_no_query_that_asks_for_numbers_alone(
    tmp_path: Path,
) -> None:
    path = csv_of(tmp_path, ["a", "b"], [("-", "2024-01-01"), ("3.5", "soon"), ("1", "")])
    forms = {"a": ColumnForm("float"), "b": ColumnForm("date")}
    with open_engine() as engine:
        found = engine.rows(f"select a, b from {engine.typed(path, forms)}")
    assert found == [(None, dt.date(2024, 1, 1)), (3.5, None), (1.0, None)]
