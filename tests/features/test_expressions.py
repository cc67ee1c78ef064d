"""Reading expressions: DuckDB's own meaning, declared types, and a reason for every refusal."""

from __future__ import annotations

from datetime import date, datetime

import duckdb
import pytest

from mlops_cli.errors import BundleError, UsageError
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.expressions.tree import Node, columns_of
from mlops_cli.features.expressions import parse
from mlops_cli.features.sql import render

ROW = {
    "i": -7,
    "j": 3,
    "x": -2.5,
    "t": " Air_1 ",
    "b": True,
    "d": date(2012, 2, 29),
    "ts": datetime(1969, 12, 31, 23, 30),
    "Dep Time": 5,
}
TYPES = {
    "i": "integer",
    "j": "integer",
    "x": "float",
    "t": "text",
    "b": "boolean",
    "d": "date",
    "ts": "timestamp",
    "Dep Time": "integer",
}


def case_of_case(levels: int) -> str:
    """The subject of a case stands in each of its branches: three times as much at each level."""
    text = "i"
    for _ in range(levels):
        text = f"case {text} when 1 then 2 when 3 then 4 when 5 then 6 end"
    return text


MEANT = [
    "i + j * 2 - 1",
    "-i // j % 2",
    "i / j",
    "2 ** 3 ** 2",
    "-j ** 2",
    "x * 1.5 + i",
    '"Dep Time" + 1',
    "not b or i < 0 and x is null",
    "i between -10 and j",
    "i not between -10 and j",
    "j in (1, 2, 3)",
    "j not in (1, null)",
    "x is not null",
    "b is true",
    "b is not false",
    "i is distinct from null",
    "x > i",
    "case when i > 0 then 1 when x < 0 then 2.5 end",
    "case j when 3 then 'three' else t end",
    "if(b, i, x)",
    "coalesce(null, x, 1)",
    "greatest(i, x, j)",
    "round(x) + floor(x) + ceil(x) + trunc(x) + sign(x)",
    "round(x, 1)",
    "log(100) + ln(2.0) + log2(8) + power(2, 3)",
    "upper(trim(t)) || '!'",
    "trim(t) like 'A%\\_1'",
    "t not like '%z%'",
    "substring(trim(t), 2, 2)",
    "concat(t, null, 'x')",
    "extract(hour from ts)",
    "date_part('dow', d)",
    "dayofweek(d) + isodow(d) + week(d) + quarter(d) + dayofyear(d)",
    "d > '2012-01-01'",
    "ts < '1970-01-01 00:00:00'",
    "date_diff('hour', ts, timestamp '1970-01-01 00:10:00')",
    "d - date '2011-02-28'",
    "date_trunc('month', ts)",
    "hour(d)",
    "epoch(ts)",
    "cast(x as bigint)",
    "i::double / 2",
    "try_cast(trim(t) as integer)",
    "cast(b as integer) + 1",
    "cast(d as varchar)",
    "make_date(2013, i + 9, 28)",
    "coalesce(cast(null as varchar), t)",
    "case when b then least(cast(null as varchar)) else t end",
    "1e3 + .5",
    "isnan(0.0 / 0.0)",
]


@pytest.mark.parametrize("text", MEANT)
def test_an_expression_means_what_duckdb_means_by_it(text):
    names = ", ".join(f'? as "{n}"' for n in ROW)
    casts = {"integer": "bigint", "float": "double", "text": "varchar"}
    typed = ", ".join(f'cast("{n}" as {casts.get(t, t)}) as "{n}"' for n, t in TYPES.items())
    source = f"(select {typed} from (select {names}))"
    tree = parse(text, TYPES)
    with duckdb.connect() as connection:
        plain, ours = connection.execute(
            f"select ({text}), ({render(tree)}) from {source}", list(ROW.values())
        ).fetchone()
    assert ours == plain
    assert compile_tree(tree)(ROW) == ours


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("avg(x) over ()", "windows look at other rows"),
        ("avg(x)", "aggregates look at other rows"),
        ("count(*)", "aggregates look at other rows"),
        ("(select 1)", "subqueries look at other rows"),
        ("x in (select 1)", "`in` takes a list"),
        ("exists (select 1)", "subqueries"),
        ("random()", "another value every time"),
        ("now()", "the clock is not part of a row"),
        ("current_date", "the clock is not part of a row"),
        ("regexp_matches(t, 'x')", "unknown function `regexp_matches`"),
        ("read_csv('/etc/passwd')", "unknown function `read_csv`"),
        ("y + 1", "no column `y`"),
        ("other.x", "is not a column's name"),
        ("t + 1", "was given (text, integer)"),
        ("b + 1", "was given (boolean, integer)"),
        ("d + 1", "was given (date, integer)"),
        ("x // 2", "was given (float, integer)"),
        ("t > 5", "was given (text, integer)"),
        ("d > 'soon'", "was given (date, text)"),
        ("case when i then 1 end", "must be boolean, not integer"),
        ("case when b then 1 else 'a' end", "of different types"),
        ("cast(x as decimal(3, 1))", "there is no cast to"),
        ("cast(t as timestamptz)", "there is no cast to"),
        ("cast(i as smallint)", "there is no cast to"),
        ("t like t", "must be a text literal"),
        ("t like 'a' escape 'b'", "`like` has no `escape`"),
        ("ts + interval 1 hour", "intervals are not supported"),
        ("date_part(t, ts)", "is a text literal"),
        ("date_part('century', ts)", "unknown part of a date `century`"),
        ("round(x, j)", "n must be a whole number"),
        ("date '2013-02-30'", "is not an ISO 8601 date"),
        ("ts > '2013-01-01+02:00'", "was given (timestamp, text)"),
        ("d > '2013-W01-1'", "was given (date, text)"),
        ("9223372036854775808", "does not fit 64 bits"),
        ("1e999", "does not fit a double"),
        ("x +", "is not an expression"),
        ("x; drop table t", "is not"),
        ("", "is not"),
        ("x as y", "has no alias"),
        ("?", "no parameters"),
        ("x[1]", "not of the closed set"),
        ("i & 1", "not of the closed set"),
        ("+".join(["i"] * 200), "nested deeper"),
        ("i" * 5000, "longer than"),
        (case_of_case(9), "larger than 5000 operations"),
        ("(" * 1000 + "i" + ")" * 1000, "is not"),
    ],
)
def test_a_refusal_has_its_reason(text, said):
    with pytest.raises(UsageError) as e:
        parse(text, TYPES)
    assert said in e.value.message
    assert len(e.value.message) < 500


def test_a_typing_error_is_met_with_the_nearest_name():
    with pytest.raises(UsageError) as e:
        parse("dayofwek(d)", TYPES)
    assert "did you mean `dayofweek`?" in (e.value.hint or "")


@pytest.mark.parametrize(
    ("refused", "hint", "followed"),
    [
        ("x // 2", "cast(x as bigint)", "cast(x as bigint) // 2"),
        ("t // 2", "cast(x as bigint)", "cast(t as bigint) // 2"),
        ("t + 1", "cast(x as double)", "cast(t as double) + 1"),
        ("hour(t)", "cast(x as timestamp)", "hour(cast(t as timestamp))"),
        ("b + 1", "cast(x as integer)", "cast(b as integer) + 1"),
        ("i and b", "x <> 0", "i <> 0 and b"),
        ("lower(i)", "cast(x as text)", "lower(cast(i as text))"),
        ("d + 1", "date_diff('day', a, b)", "date_diff('day', d, d) + 1"),
        ("sqrt(d)", "epoch(x)", "sqrt(epoch(d))"),
        ("lower(x)", "docs/reference/expressions.md", None),
    ],
)
def test_the_hint_on_types_can_be_followed(refused, hint, followed):
    with pytest.raises(UsageError) as e:
        parse(refused, TYPES)
    assert hint in (e.value.hint or "")
    assert followed is None or parse(followed, TYPES)


def test_columns_are_named_once_in_the_order_of_their_use():
    assert list(columns_of(parse("x + i * x - j", TYPES))) == ["x", "i", "j"]


@pytest.mark.parametrize(
    "node",
    [
        Node("exec", "text", (Node("literal", "text", value="1"),)),
        Node("__import__", "text"),
        Node("add", "text", (Node("column", "text", value="t"),) * 2),
        Node("add", "integer", (Node("column", "integer", value="i"),) * 5),
        Node("case", "integer", (Node("literal", "integer", value=1),) * 2),
        Node("and", "boolean", (Node("column", "boolean", value="b"),)),
    ],
)
def test_a_tree_outside_the_closed_set_is_refused_by_both(node):
    with pytest.raises(BundleError):
        compile_tree(node)
    with pytest.raises(UsageError):
        render(node)


def test_sql_grows_with_the_expression_and_no_faster():
    text = "d"
    for _ in range(15):
        text = f"make_date(year({text}), 1, 1)"
    assert len(render(parse(text, TYPES))) < 200 * 15
