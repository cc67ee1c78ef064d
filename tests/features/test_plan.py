"""What the configuration asks for, and every way in which it can ask wrongly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.features.base import TableSchema
from mlops_cli.features.layout import check_features

FLIGHTS = {
    "year": "integer",
    "month": "integer",
    "day": "integer",
    "hour": "integer",
    "carrier": "text",
    "origin": "text",
    "distance": "integer",
    "arr_delay": "float",
    "canceled": "float",
    "time_hour": "text",
    "born": "date",
}
WEATHER = {"origin": "text", "time_hour": "text", "temp": "float", "sky": "text", "seen": "date"}
SCHEMAS = {
    "data/raw/flights.parquet": TableSchema(FLIGHTS, {n: n == "arr_delay" for n in FLIGHTS}),
    "data/raw/weather.parquet": TableSchema(WEATHER, {}),
}
JOIN = {
    "table": "data/raw/weather.parquet",
    "on": ["origin"],
    "asof": "time_hour",
    "columns": ["temp", "sky"],
}


def layout(
    features, *, task="binary", target="late = arr_delay > 15", time="time_hour", **sections
):
    data = {"table": "data/raw/flights.parquet", "target": target}
    if time:
        data["time"] = time
    raw = {"project": "x", "task": task, "data": data, "features": features, **sections}
    return check_features(check_config(raw, file="mlops.yaml"), SCHEMAS)


def test_inputs_features_and_trees_of_columns_rows_and_joins():
    made = layout(
        {
            "columns": ["carrier", "distance"],
            "row": {"dow": "dayofweek(make_date(year, month, day))", "warm": "temp > 20"},
            "join": [JOIN],
        }
    )
    assert [f.name for f in made.features] == ["carrier", "distance", "dow", "warm", "temp", "sky"]
    assert [f.kind for f in made.features] == ["category", *["numeric"] * 4, "category"]
    names = [(i.name, i.type, i.nullable, i.source) for i in made.inputs]
    assert names == [
        ("carrier", "text", False, "event"),
        ("distance", "integer", False, "event"),
        ("year", "integer", False, "event"),
        ("month", "integer", False, "event"),
        ("day", "integer", False, "event"),
        ("temp", "float", True, "join"),
        ("sky", "text", True, "join"),
    ]
    assert made.target_tree.type == "boolean"
    assert made.rows == {"dow", "warm"}


@pytest.mark.parametrize(("bad_rows", "nullable"), [("quarantine", False), ("warn", True)])
def test_where_bad_rows_stay_every_input_may_be_null(bad_rows, nullable):
    made = layout({"columns": ["carrier", "hour"]}, validate={"on_bad_rows": bad_rows})
    assert {i.nullable for i in made.inputs} == {nullable}


def test_the_time_column_is_a_timestamp_even_where_it_is_text():
    made = layout({"row": {"h": "hour(time_hour)"}})
    assert [(i.name, i.type) for i in made.inputs] == [("time_hour", "timestamp")]


def test_a_numeric_target_with_nulls_becomes_classes():
    assert layout({"columns": ["hour"]}, target="canceled").target_tree.type == "integer"


def test_each_table_has_its_contract():
    raw = {"project": "x", "task": "binary", "data": {"table": "data/raw/flights.parquet"}}
    raw["data"]["target"] = "late"
    raw |= {"features": {"join": [JOIN]}, "validate": {"contract": "contracts/mine.yaml"}}
    assert Project(Path(), check_config(raw, file="mlops.yaml")).contracts == {
        "data/raw/flights.parquet": "contracts/mine.yaml",
        "data/raw/weather.parquet": "contracts/weather.yaml",
    }


@pytest.mark.parametrize(
    ("features", "extra", "said", "hint"),
    [
        ({}, {}, "`features` names none", "features.columns"),
        ({"columns": ["carier"]}, {}, "features.columns: no column `carier`", "`carrier`"),
        ({"columns": ["hour", "hour"]}, {}, "names `hour` twice", "once"),
        ({"columns": ["born"]}, {}, "features.columns: `born` is a date", "hour(born)"),
        ({"columns": ["time_hour"]}, {}, "`time_hour` is a timestamp", "hour(time_hour)"),
        ({"row": {"w": "avg(hour) over ()"}}, {}, "features.row.w: ", ""),
        ({"row": {"w": "hour + horu"}}, {}, "features.row.w: no column `horu`", "`hour`"),
        ({"row": {"w": "born"}}, {}, "features.row.w: `born` is a date", "hour(born)"),
        (
            {"row": {"w": "make_date(year, 1, 1)"}},
            {},
            "features.row.w is a date",
            "dayofweek(make_date(",
        ),
        ({"row": {"hour": "day"}}, {}, "features.row: the name `hour` is taken", "another name"),
        ({"row": {"Hour": "day"}}, {}, "features.row: the name `Hour` is taken", "another name"),
        ({"row": {"w": "day", "W": "hour"}}, {}, "the name `W` is taken", "another name"),
        ({"row": {"late": "day"}}, {}, "the name `late` is taken", "another name"),
        ({"row": {"__x": "day"}}, {}, "`__x`", None),
        ({"columns": ["hour"]}, {"target": "arr_dela"}, "data.target: no column", "`arr_delay`"),
        ({"columns": ["hour"]}, {"target": "y = count(*)"}, "data.target: ", ""),
        ({"columns": ["hour"]}, {"target": "day = hour > 1"}, "`day` is taken", "another name"),
        ({"columns": ["hour"]}, {"target": "born"}, "data.target is date", "task"),
        ({"columns": ["hour"]}, {"task": "regression", "target": "origin"}, "text", "multiclass"),
        ({"columns": ["day", "hour"]}, {"target": "day"}, "`day` is the target itself", "out"),
        ({"row": {"w": "day + 1"}}, {"target": "day"}, "features.row.w: `day` is the", "out"),
        ({"columns": ["hour"]}, {"time": "tme_hour"}, "data.time: no column", "`time_hour`"),
        ({"columns": ["hour"]}, {"time": "distance"}, "data.time: `distance` is integer", "dates"),
        ({"join": [JOIN]}, {"time": None}, "features.join.0.asof needs", "data.time"),
        ({"join": [{**JOIN, "columns": ["tmp"]}]}, {}, "join.0.columns: no column", "`temp`"),
        ({"join": [{**JOIN, "columns": ["origin"]}]}, {}, "`origin` is taken", "another name"),
        ({"join": [JOIN, JOIN]}, {}, "join.1.columns: the name `temp` is taken", "another name"),
        ({"join": [{**JOIN, "columns": ["seen"]}]}, {}, "`seen` is a date", "hour(seen)"),
        ({"join": [{**JOIN, "on": ["orign"]}]}, {}, "join.0.on: no column", "`origin`"),
        ({"join": [{**JOIN, "asof": "temp"}]}, {}, "join.0.asof: `temp` is float", "dates"),
    ],
)
def test_what_may_not_be_is_named_with_its_key(features, extra, said, hint):
    with pytest.raises(UsageError) as e:
        layout(features, **extra)
    assert e.value.message.startswith("mlops.yaml: ")
    assert said in e.value.message
    assert hint is None or hint in (e.value.hint or "")


def test_the_hint_on_an_expression_of_a_date_can_be_followed():
    """A row feature is no column of another: the number is made within the expression."""
    with pytest.raises(UsageError) as e:
        layout({"row": {"w": "make_date(year, 1, 1)"}})
    said = re.findall("`([^`]+)`", e.value.hint or "")
    assert said[0] == "dayofweek(make_date(year, 1, 1))"
    assert layout({"row": {"w": said[0]}}).features[0].kind == "numeric"
