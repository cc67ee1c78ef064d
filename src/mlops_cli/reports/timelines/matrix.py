"""Which column drifted when: a row for each column, the worst first, and a cell for each window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_cli.monitoring.windows.records import ColumnFound, DriftFound
from mlops_cli.reports.timelines.chart import number

STRENGTHS = (0.1, 0.3)  # shares of rows that moved, from which on a cell is darker


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A column: how many windows it drifted in, and its cells as paths, the weakest first."""

    name: str
    windows: int
    last: str
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The columns that drifted, the worst first; `more` of them are not drawn.

    `compared` are the windows that were held to something, as a path, and `windows` how many;
    `columns` is how many columns were compared.
    """

    rows: Sequence[ColumnRow]
    more: int
    columns: int
    windows: int
    compared: str


def matrix_of(found: Mapping[int, DriftFound], names: Mapping[int, str], *, most: int) -> Matrix:
    """The matrix of windows by their step on the axis; `names` are the windows' names.

    A column is the worse the more rows moved, summed over the windows in which it drifted.
    """
    cells: dict[str, dict[int, ColumnFound]] = defaultdict(dict)
    columns: set[str] = set()
    for step, drift in found.items():
        for column in drift.columns:
            columns.add(column.name)
            if column.drifted:
                cells[column.name][step] = column
    ranked = sorted(cells, key=lambda name: (-_weight(cells[name]), name))
    rows = [_row(name, cells[name], names) for name in ranked[:most]]
    return Matrix(
        rows=rows,
        more=len(ranked) - len(rows),
        columns=len(columns),
        windows=len(found),
        compared=_spans(found),
    )


def _weight(cells: Mapping[int, ColumnFound]) -> float:
    return sum(0.01 + abs(cell.effect) for cell in cells.values())


def _row(name: str, cells: Mapping[int, ColumnFound], names: Mapping[int, str]) -> ColumnRow:
    of_strength: list[list[int]] = [[] for _ in range(len(STRENGTHS) + 1)]
    for step, cell in sorted(cells.items()):
        of_strength[sum(cell.effect >= bound for bound in STRENGTHS)].append(step)
    return ColumnRow(
        name=name,
        windows=len(cells),
        last=names[max(cells)],
        cells=[_spans(steps) for steps in of_strength],
    )


def _spans(steps: Mapping[int, object] | Sequence[int]) -> str:
    """Rectangles of height 1 over the steps, those beside each other as one."""
    spans: list[list[int]] = []
    for step in sorted(steps):
        if spans and step == spans[-1][1]:
            spans[-1][1] += 1
        else:
            spans.append([step, step + 1])
    return "".join(f"M{number(a)} 0H{number(b)}V1H{number(a)}z" for a, b in spans)
