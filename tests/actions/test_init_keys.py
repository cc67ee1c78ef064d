"""The key of a table that `init` finds: no longer than it must be."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest

from trips import made

pytestmark = pytest.mark.usefixtures("no_git_identity")


def keys_of(folder: Path, rows: Iterable[tuple[object, ...]]) -> list[str]:
    with (folder / "seen.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("at", "who", "unit", "x", "y"), *rows])
    result = made(folder / "keyed", folder / "seen.csv", target="y", time="at")
    return [str(g.value) for g in result.guesses if g.what == "names a row"]


@pytest.mark.parametrize(("each", "keys"), [(1, ["at"]), (10, ["who, at"])])
def test_a_key_is_no_longer_than_it_must_be(each: int, keys: list[str], tmp_path: Path) -> None:
    day = "2024-01-01T{:02}:{:02}:00Z"
    at = [day.format(i // each // 60, i // each % 60) for i in range(600)]
    rows = [(at[i], f"w{i % 10}", "mm", i % 9 / 10, i * 7 % 13 > 6) for i in range(600)]
    assert keys_of(tmp_path, rows) == keys
