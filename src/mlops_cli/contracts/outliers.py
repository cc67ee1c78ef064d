"""Values far outside the others of their column: fences from the table itself, then one condition.

The fences take a look of their own at the columns that ask for them; how many rows lie outside is
counted with every other rule.
"""

from __future__ import annotations

from pathlib import Path

from mlops_cli.contracts.conditions import Condition, is_missing, shown_value
from mlops_cli.contracts.model import ColumnContract, Contract
from mlops_cli.contracts.table_rules import Outliers
from mlops_cli.tables.base import Engine, literal, quote

NORMAL = 1.4826  # standard deviations of a normal distribution in its median absolute deviation


def outlier_conditions(engine: Engine, path: Path, contract: Contract) -> list[Condition]:
    """A condition for each column with `outliers`; none where its values have no spread.

    Quartiles are interpolated (Hyndman and Fan's type 7), of finite values alone.
    """
    asked = {n: c for n, c in contract.columns.items() if c.outliers is not None}
    if not asked:
        return []
    relation = engine.typed(path, {n: c.form for n, c in asked.items()})
    cells = ", ".join(cell for n, c in asked.items() for cell in _cells(n, c))
    figures = engine.rows(f"select {cells} from {relation}")[0]
    found = []
    for i, (name, column) in enumerate(asked.items()):
        middle, spread = figures[2 * i : 2 * i + 2]
        if column.outliers is not None and middle is not None and spread:
            found.append(_condition(name, column, column.outliers, _fences(middle, spread, column)))
    return found


def _cells(name: str, column: ColumnContract) -> tuple[str, str]:
    """SQL of where the fences start from, below and above, and of what they are measured by."""
    value = quote(name)
    if column.type == "float":
        value = f"case when isfinite({value}) then {value} end"
    if column.outliers is not None and column.outliers.by == "mad":
        return f"[median({value}), median({value})]", f"mad({value}) * {NORMAL}"
    quartiles = f"quantile_cont({value}, [0.25, 0.75])"
    return quartiles, f"({quartiles})[2] - ({quartiles})[1]"


def _fences(starts: list[float], spread: float, column: ColumnContract) -> tuple[float, float]:
    room = (column.outliers.fence if column.outliers else 0.0) * float(spread)
    return float(starts[0]) - room, float(starts[1]) + room


def _condition(
    name: str, column: ColumnContract, asked: Outliers, fences: tuple[float, float]
) -> Condition:
    low, high = (f"{literal(repr(fence))}::double" for fence in fences)
    outside = f"({quote(name)} < {low} or {quote(name)} > {high})"
    return Condition(
        column=name,
        rule="outliers",
        expected=f"{fences[0]:.6g} to {fences[1]:.6g}, {asked.by} times {asked.fence:g}",
        sql=f"not {is_missing(name, column)} and {outside}",
        value=shown_value(name),
        allowed=float(asked.max_share),
    )
