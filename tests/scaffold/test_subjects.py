"""Whom rows are about: found by what their rows have in common, and kept in one part."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from studying import csv_of, study


def customers(folder: Path, *, name: str = "{}", by_customer: bool = True) -> Path:
    rng = random.Random(0)
    ids = rng.sample(range(1, 301), 300)
    rows = []
    for i in ids:
        churn, spend = rng.random() < 0.4, rng.gauss(40, 10)
        for month in range(8):
            left = churn if by_customer else rng.random() < 0.4
            spent = round(spend + rng.gauss(0, 1), 2)
            rows.append((name.format(i), month, spent, rng.random(), "yes" if left else "no"))
    rng.shuffle(rows)
    return csv_of(folder, ["customer_id", "month", "spend", "z", "churn"], rows)


@pytest.mark.parametrize("name", ["{}", "{}.0", "C-{:04}", "c{}@example.org"])
@pytest.mark.parametrize("by_customer", [True, False])
def test_rows_of_one_customer_are_found_and_said(
    name: str, by_customer: bool, tmp_path: Path
) -> None:
    found = study(customers(tmp_path, name=name, by_customer=by_customer), "churn")
    assert found.subject == "customer_id"
    assert found.choice.features == ("month", "spend", "z")
    assert found.key == "customer_id"
    assert ("split", "by customer_id") in [(g.what, g.value) for g in found.guesses]
    assert not [w for w in found.warnings if "customer_id" in w]


def test_in_panel_data_with_a_time_it_is_split_by_time_and_the_groups_are_told(
    tmp_path: Path,
) -> None:
    path = customers(tmp_path)
    head, *rows = path.read_text().splitlines()
    days = [row.split(",") for row in rows]
    rng = random.Random(1)
    dated = [
        ",".join([r[0], f"2024-{int(r[1]) + 1:02}-{rng.randint(1, 28):02}", *r[2:]]) for r in days
    ]
    path.write_text("\n".join([head.replace("month", "paid_at"), *dated]) + "\n")
    found = study(path, "churn")
    assert (found.time, found.subject, found.key) == ("paid_at", "customer_id", None)
    (warning,) = [w for w in found.warnings if "customer_id" in w]
    assert "300" in warning
    assert "not how well new ones are predicted" in warning
    assert "`split: {by: group, key: customer_id}` holds out whole ones" in warning


@pytest.mark.parametrize(
    ("column", "subject"), [("Patient name", "Patient name"), ("driver", "driver"), ("plant", None)]
)
def test_names_of_persons_are_known_by_their_column(
    column: str, subject: str | None, tmp_path: Path
) -> None:
    letters = "abcdefghij"
    lines = customers(tmp_path).read_text().splitlines()
    rows = [line.partition(",") for line in lines[1:]]
    named = ["".join(letters[int(d)] for d in i).title() + " Doe," + rest for i, _, rest in rows]
    path = tmp_path / "named.csv"
    path.write_text("\n".join([lines[0].replace("customer_id", column), *named]) + "\n")
    assert study(path, "churn").subject == subject


def test_a_quantity_a_city_and_a_distance_are_no_customers(tmp_path: Path) -> None:
    rng = random.Random(0)
    far = {f"city {c}": rng.randrange(100, 3000) for c in "abcdefghijklmnopqrstuvwxyz"}
    rows = []
    for _ in range(1200):
        city, age = rng.choice(list(far)), rng.randrange(18, 90)
        old = rng.random() < age / 90
        rows.append((city, far[city], age, rng.randrange(1, 366), "yes" if old else "no"))
    names = ["city", "distance", "age", "day", "y"]
    found = study(csv_of(tmp_path, names, rows), "y")
    assert found.subject is None
    assert found.choice.features == ("city", "distance", "age", "day")
