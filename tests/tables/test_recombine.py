"""Recombined rows: every value from another row, what belongs together together, the same again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mlops_cli.tables.recombine import Kept, groups_of, recombine

PEOPLE = pa.table(
    {"name": [f"p{i}" for i in range(50)], "age": [*range(50)], "born": [*range(2000, 1950, -1)]}
)
ALONE = (("name",), ("age",), ("born",))


def rows(table: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_no_row_is_one_of_the_table_nor_shares_two_values_with_one():
    made = recombine(PEOPLE, ALONE, spread=range(50))
    for name in PEOPLE.column_names:
        assert sorted(made[name].to_pylist()) == sorted(PEOPLE[name].to_pylist())
    for name, age, born in rows(made):
        assert len({int(str(name)[1:]), age, 2000 - born}) == 3


def test_the_same_table_gives_the_same_rows_and_another_one_another_draw():
    made = recombine(PEOPLE, ALONE, spread=range(50))
    assert recombine(PEOPLE, ALONE, spread=range(50)).equals(made)
    changed = PEOPLE.set_column(1, "age", pa.array([*range(49), 7]))
    again = recombine(changed, ALONE, spread=range(50))
    assert again["name"].to_pylist() != made["name"].to_pylist()


def test_a_group_comes_from_one_row():
    made = recombine(PEOPLE, (("name",), ("age", "born")), spread=range(0, 50, 2))
    assert all(2000 - born == age and str(name) != f"p{age}" for name, age, born in rows(made))


def test_what_is_kept_occurs_among_values_of_others():
    made = recombine(PEOPLE, ALONE, spread=(), kept=[Kept(("age",), 49), Kept(("age", "born"), 0)])
    (first, second) = rows(made)
    assert first[1] == 49
    assert first[0] != "p49"
    assert first[2] != 1951
    assert second[1:] == (0, 2000)
    assert second[0] != "p0"


def test_a_broken_row_is_drawn_again_but_for_what_is_kept():
    def broken(table: pa.Table) -> np.ndarray:
        ages, born = (np.array(table[name]) for name in ("age", "born"))
        return ages + born > 2000

    kept = [Kept(("age",), 40)]
    made = recombine(PEOPLE, ALONE, spread=range(50), kept=kept, broken=broken)
    assert made.num_rows == 51
    assert not broken(made).any()
    assert made["age"][50].as_py() == 40
    assert broken(recombine(PEOPLE, ALONE, spread=range(50))).any()


def test_a_rule_that_nothing_fulfils_ends():
    made = recombine(
        PEOPLE, ALONE, spread=range(5), broken=lambda t: np.ones(t.num_rows, dtype=bool)
    )
    assert made.num_rows == 5


def test_one_row_is_all_there_is():
    assert rows(recombine(PEOPLE.slice(0, 1), ALONE, spread=[0])) == [("p0", 0, 2000)]


def test_groups_join_ties_that_share_a_column_and_leave_sensitive_ones_out():
    ties = [("a", "b"), ("b", "c", "no input"), ("d", "e")]
    assert groups_of("abcdef", ties) == (("a", "b", "c"), ("d", "e"), ("f",))
    assert groups_of("abcdef", ties, ["e"]) == (("a", "b", "c"), ("d",), ("e",), ("f",))


def test_a_tie_of_all_columns_would_be_the_row_itself():
    assert groups_of("abc", [("a", "b"), ("b", "c")]) == (("a",), ("b",), ("c",))
