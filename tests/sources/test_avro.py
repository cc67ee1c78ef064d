"""Records in Avro with a schema registry: their values, what cannot be read, what may change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from mlops_cli.contracts.evolution import refuse_evolution
from mlops_cli.errors import DataError, EnvironmentFault, UsageError

pytest.importorskip("fastavro", reason="the extra kafka is not installed")
from mlops_cli.sources import avro, schema_registry
from schema_registry import Registry, registry

WHEN = datetime(2013, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
FIELDS: dict[str, tuple[Any, Any, Any]] = {
    "id": ("long", 2**62, 2**62),
    "small": ("int", 7, 7),
    "price": ("double", 1.5, 1.5),
    "half": ("float", 0.5, 0.5),
    "good": ("boolean", True, True),
    "kind": ("string", "ä", "ä"),
    "grade": ({"type": "enum", "name": "Grade", "symbols": ["A", "B"]}, "B", "B"),
    "day": ({"type": "int", "logicalType": "date"}, date(2013, 1, 2), date(2013, 1, 2)),
    "at": ({"type": "long", "logicalType": "timestamp-millis"}, WHEN, WHEN),
    "micro": ({"type": "long", "logicalType": "timestamp-micros"}, WHEN, WHEN),
    "of_day": ({"type": "int", "logicalType": "time-millis"}, time(1, 2, 3), "01:02:03"),
    "paid": (
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        Decimal("12.34"),
        12.34,
    ),
    "key": (
        {"type": "string", "logicalType": "uuid"},
        UUID("12345678-1234-5678-1234-567812345678"),
        "12345678-1234-5678-1234-567812345678",
    ),
    "maybe": (["null", "string"], None, None),
}


@pytest.fixture
def kept() -> Iterator[Registry]:
    with registry() as found:
        yield found


def _schema(**fields: Any) -> dict[str, Any]:
    told = [{"name": n, **(k if isinstance(k, dict) and "at" in k else {"type": k})}
            for n, k in fields.items()]  # fmt: skip
    return {"type": "record", "name": "Event", "fields": told}


def test_every_plain_type_comes_as_the_column_that_it_is(kept: Registry) -> None:
    number = kept.register("t", _schema(**{n: kind for n, (kind, *_) in FIELDS.items()}))
    records = avro.AvroRecords(kept.url)
    row = {n: value for n, (_, value, _) in FIELDS.items()}
    assert records.take(kept.record(number, row)) is None
    table = records.table(None, "t")
    assert table is not None
    assert table.to_pylist() == [{n: expected for n, (*_, expected) in FIELDS.items()}]
    assert records.table(None, "t") is None


def test_what_is_no_record_is_told_and_the_rest_goes_on(kept: Registry) -> None:
    number = kept.register("t", _schema(id="long"))
    kept.schemas[9] = {"schema": "{}", "schemaType": "PROTOBUF"}
    good = kept.record(number, {"id": 1})
    records = avro.AvroRecords(kept.url)
    assert "does not begin with a byte 0" in str(records.take(b'{"id": 1}'))
    assert "does not begin" in str(records.take(b"\0\0"))
    assert "no Avro record schema 77" in str(records.take(b"\0\0\0\0\x4d\x02"))
    assert "no Avro record schema 9" in str(records.take(b"\0\0\0\0\x09\x02"))
    assert "it is no record of the schema 1" in str(records.take(good[:5] + b"\xff" * 12))
    assert "longer than a record" in str(records.take(good + b"\0"))
    assert records.take(good) is None
    table = records.table(None, "t")
    assert table is not None
    assert table.to_pylist() == [{"id": 1}]


def test_records_of_two_schemas_are_rows_of_one_table_in_their_order(kept: Registry) -> None:
    old = kept.register("t", _schema(id="long", n="int"))
    new = kept.register("t", _schema(id="long", n="double", more=["null", "string"]))
    records = avro.AvroRecords(kept.url)
    for number, row in [(old, {"id": 1, "n": 1}), (new, {"id": 2, "n": 0.5, "more": "x"}),
                        (old, {"id": 3, "n": 3})]:  # fmt: skip
        assert records.take(kept.record(number, row)) is None
    table = records.table(None, "t")
    assert table is not None
    assert table.to_pylist() == [
        {"id": 1, "n": 1.0, "more": None},
        {"id": 2, "n": 0.5, "more": "x"},
        {"id": 3, "n": 3.0, "more": None},
    ]
    assert records.mark({}) == {
        "schemas": {
            "1": {"id": "int64", "n": "int64"},
            "2": {"id": "int64", "n": "double", "more": "string?"},
        }
    }


def test_a_column_that_becomes_text_is_refused_by_name(kept: Registry) -> None:
    records = avro.AvroRecords(kept.url)
    for kind, value in (("long", 1), ("string", "one")):
        number = kept.register("t", _schema(id=kind))
        assert records.take(kept.record(number, {"id": value})) is None
    with pytest.raises(DataError, match=r"'id' was int64, and is string in schema 2 of t"):
        records.table(None, "t")


def test_fields_of_several_values_are_left_out_and_told(kept: Registry) -> None:
    items = {"type": "array", "items": "int"}
    number = kept.register("t", _schema(id="long", parts=items, either=["null", "int", "string"]))
    records = avro.AvroRecords(kept.url)
    assert records.take(kept.record(number, {"id": 1, "parts": [1], "either": "x"})) is None
    table = records.table(None, "t")
    assert table is not None
    assert table.to_pylist() == [{"id": 1}]
    assert records.remarks() == ["fields of several values or types are left out: either, parts"]


def test_a_schema_may_refer_to_another_subject_s(kept: Registry) -> None:
    grade = {"type": "enum", "name": "Grade", "symbols": ["A", "B"]}
    kept.register("grade", grade)
    refers = [{"name": "Grade", "subject": "grade", "version": 1}]
    number = kept.register("t", _schema(grade="Grade"), references=refers)
    value = b"\0" + number.to_bytes(4, "big") + b"\x02"  # the second symbol
    records = avro.AvroRecords(kept.url)
    assert records.take(value) is None
    assert records.table(None, "t").to_pylist() == [{"grade": "B"}]  # type: ignore[union-attr]


def test_a_registry_that_fails_is_asked_again_and_a_login_is_not_told(
    kept: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_registry, "_PAUSE", 0.01)
    number = kept.register("t", _schema(id="long"))
    value = kept.record(number, {"id": 1})
    kept.failing = 2
    assert avro.AvroRecords(kept.url).take(value) is None
    kept.login = "ann:s3cret-word"
    with_login = kept.url.replace("http://", "http://ann:s3cret-word@")
    assert avro.AvroRecords(with_login).take(value) is None
    wrong = kept.url.replace("http://", "http://ann:wrong-word@")
    with pytest.raises(EnvironmentFault, match="answers 401") as told:
        avro.AvroRecords(wrong).take(value)
    assert "wrong-word" not in told.value.message
    kept.failing = 99
    with pytest.raises(EnvironmentFault, match="does not answer"):
        avro.AvroRecords(with_login).take(value)
    with pytest.raises(UsageError, match="no URL"):
        avro.AvroRecords("registry:8081")


@pytest.mark.parametrize(
    ("mode", "after", "says"),
    [
        ("BACKWARD", {"id": "int64", "n": "int64", "more": "string?"}, None),
        ("BACKWARD", {"id": "int64"}, None),
        ("BACKWARD", {"id": "int64", "n": "double"}, None),
        ("BACKWARD", {"id": "int64", "n": "int64", "more": "string"}, "more, rule `columns`"),
        ("FORWARD", {"id": "int64", "n": "int64", "more": "string"}, None),
        ("FORWARD", {"id": "int64"}, "n, rule `columns`"),
        ("FULL", {"id": "int64", "n": "double"}, "n, rule `type`"),
        ("NONE", {"id": "int64", "more": "string"}, None),
    ],
)
def test_a_change_in_mid_stream_is_held_to_the_contract_s_mode(
    mode: Any, after: dict[str, str], says: str | None
) -> None:
    before = {"3": {"id": "int64", "n": "int64"}}
    if says is None:
        refuse_evolution("t", mode, before, {**before, "8": after})
    else:
        with pytest.raises(DataError, match=f"schema 8 of the source breaks {mode}.*{says}"):
            refuse_evolution("t", mode, before, {**before, "8": after})
    refuse_evolution("t", mode, {**before, "8": after}, {"8": after})  # it is there already
