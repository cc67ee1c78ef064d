"""A wide table is held to its contract in groups of checks; the figures are those of one scan."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.contracts.infer import infer_contract
from mlops_cli.contracts.scan import scan
from mlops_cli.tables import open_engine

COLUMNS = [f"c{i}" for i in range(90)]


def write(path: Path, spoiled: dict[int, list[str]]) -> Path:
    """120 rows; the named columns of the named rows hold a text instead of a number."""
    lines = [",".join(COLUMNS)]
    for row in range(120):
        bad = spoiled.get(row, [])
        lines.append(
            ",".join("x" if c in bad else str((row * 7 + i) % 50) for i, c in enumerate(COLUMNS))
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_row_that_breaks_rules_of_two_groups_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "wide.csv", {})
    with open_engine() as engine:
        contract, _ = infer_contract(engine, path)
    spoiled = write(path, {3: ["c0", "c89"], 40: ["c0"], 80: ["c89"]})
    with open_engine() as engine:
        found = scan(engine, spoiled, contract, table="wide.csv")
    assert (found.rows, found.bad_rows) == (120, 3)
    assert {(v.column, v.rule, v.count) for v in found.violations} == {
        ("c0", "type", 2),
        ("c89", "type", 2),
    }
