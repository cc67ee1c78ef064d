"""What one version of a contract may change of another, by Confluent's modes."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_cli.contracts.compatibility import incompatible
from mlops_cli.contracts.model import Contract

BASE: dict[str, Any] = {
    "columns": {
        "id": {"type": "integer", "unique": True},
        "price": {"type": "integer", "min": 0, "max": 100},
        "kind": {"type": "text", "categories": ["a", "b"], "nullable": True},
        "made": {"type": "timestamp", "max": "2030-01-01"},
    }
}


def _contract(mode: str = "NONE", drop: str = "", **columns: object) -> Contract:
    kept = {n: c for n, c in BASE["columns"].items() if n != drop}
    return Contract.model_validate({"columns": kept | columns, "compatibility": mode})


def _broken(new: Contract, *published: Contract) -> list[tuple[str | None, str, str, int]]:
    found = incompatible(new, dict(enumerate(published, 1)))
    return [(b.column, b.rule, b.direction, b.version) for b in found]


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        ({"new": {"type": "text"}}, "columns"),
        ({"price": {"type": "text"}}, "type"),
        ({"price": {"type": "integer", "min": 1, "max": 100}}, "min"),
        ({"price": {"type": "integer", "min": 0, "max": 99}}, "max"),
        ({"made": {"type": "timestamp", "max": "2029-12-31"}}, "max"),
        ({"kind": {"type": "text", "categories": ["a", "b"]}}, "nullable"),
        ({"kind": {"type": "text", "categories": ["a"], "nullable": True}}, "categories"),
        ({"kind": {"type": "text", "pattern": "a|b", "nullable": True}}, "pattern"),
    ],
)
def test_what_a_reader_refuses_breaks_backward_and_its_reverse_forward(
    column: dict[str, Any], rule: str
) -> None:
    name = next(iter(column))
    old, stricter = _contract(), _contract("BACKWARD", **column)
    assert (name, rule, "BACKWARD", 1) in _broken(stricter, old)
    back = Contract.model_validate(BASE | {"compatibility": "FORWARD"})
    assert (name, rule, "FORWARD", 1) in _broken(back, _contract(**column))
    whole = _contract("FULL", **column)
    assert (name, rule, "BACKWARD", 1) in _broken(whole, old)


@pytest.mark.parametrize(
    "column",
    [
        {"new": {"type": "text", "nullable": True}},
        {"price": {"type": "float", "min": 0, "max": 100}},
        {"price": {"type": "integer", "max": 1000}},
        {"made": {"type": "timestamp"}},
        {"kind": {"type": "text", "nullable": True, "categories": ["a", "b", "c"]}},
        {"id": {"type": "integer"}},
    ],
)
def test_what_reads_all_that_was_written_is_backward_compatible(column: dict[str, Any]) -> None:
    assert _broken(_contract("BACKWARD", **column), _contract()) == []
    assert _broken(_contract("BACKWARD", drop="kind"), _contract()) == []


def test_a_column_that_may_not_be_missing_cannot_go_for_older_readers() -> None:
    assert _broken(_contract("FORWARD", drop="price"), _contract()) == [
        ("price", "columns", "FORWARD", 1)
    ]
    assert _broken(_contract("FORWARD", drop="kind"), _contract()) == []


def test_a_transitive_mode_looks_at_every_version() -> None:
    first = _contract(drop="price")
    second = _contract(price={"type": "integer", "nullable": True})
    asked = {"price": {"type": "integer", "nullable": True, "max": 5}}
    new = _contract("BACKWARD", **asked)
    assert [version for *_, version in _broken(new, first, second)] == [2]
    strict = {"price": {"type": "integer"}}
    assert [v for *_, v in _broken(_contract("BACKWARD_TRANSITIVE", **strict), first, second)] == [
        1,
        2,
    ]
    assert _broken(_contract("NONE", **strict), first, second) == []


def test_closing_a_table_breaks_those_who_write_more() -> None:
    closed = BASE | {"extra_columns": "refuse", "compatibility": "BACKWARD"}
    new = Contract.model_validate(closed)
    assert _broken(new, _contract()) == [(None, "extra_columns", "BACKWARD", 1)]
    more = Contract.model_validate(
        {"columns": BASE["columns"] | {"more": {"type": "text"}}, "extra_columns": "refuse"}
    )
    assert _broken(new, more) == [("more", "extra_columns", "BACKWARD", 1)]


def test_rules_keys_and_freshness_of_the_table_count() -> None:
    asked = {
        "rules": [{"name": "cheap", "expr": "price < 50"}],
        "unique": [["kind", "made"]],
        "freshness": {"column": "made", "max_age": "1d"},
    }
    new = Contract.model_validate(BASE | asked | {"compatibility": "BACKWARD"})
    assert [rule for _, rule, *_ in _broken(new, _contract())] == ["unique", "rules", "freshness"]
    assert _broken(new, Contract.model_validate(BASE | asked)) == []


def test_rules_of_the_whole_table_count() -> None:
    fence = {"type": "integer", "min": 0, "max": 100, "outliers": {"factor": 3}}
    asked = {
        "foreign_keys": [{"columns": ["kind"], "table": "kinds"}],
        "row_counts": [{"column": "made", "window": "1d", "min": 10, "max": 20}],
        "queries": [{"name": "none", "sql": "select 1 where false"}],
        "distribution": {"columns": ["price"], "max_moved": 0.1},
    }
    columns = {"columns": BASE["columns"] | {"price": fence}}
    new = Contract.model_validate(BASE | columns | asked | {"compatibility": "BACKWARD"})
    assert [rule for _, rule, *_ in _broken(new, _contract())] == [
        "outliers",
        *("foreign_keys", "row_counts", "queries", "distribution"),
    ]
    stricter = asked | {
        "row_counts": [{"column": "made", "window": "1d", "min": 12, "max": 19}],
        "distribution": {"columns": ["price", "id"], "max_moved": 0.05},
    }
    tight = {"columns": BASE["columns"] | {"price": fence | {"outliers": {"factor": 2}}}}
    assert _broken(new, Contract.model_validate(BASE | tight | stricter)) == []
    wide = {"columns": BASE["columns"] | {"price": fence | {"outliers": {"by": "mad"}}}}
    assert [r for _, r, *_ in _broken(new, Contract.model_validate(BASE | wide | asked))] == [
        "outliers"
    ]
