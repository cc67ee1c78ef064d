"""docs/reference/performance.md, made from benchmarks/results.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import LINES
from benchmarks.results import RESULTS

PAGE = RESULTS.parents[1] / "docs" / "reference" / "performance.md"
_HEAD = """# Performance

Every figure is measured beside what it stands for, in one go: pairs of runs in turns, and the
median of their ratios. `nox -s bench` measures anew and makes this page
([how](../../benchmarks/README.md)).

"""


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


def page(results: Mapping[str, Any]) -> str:
    """The page of these results."""
    machine = results["machine"]
    where = (
        f"Measured on {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}. Seconds compare within a line only.\n\n"
    )
    table = "| figure | measured | to reach | |\n|---|---|---|---|\n"
    rows = [row for line in results["lines"].values() for row in _rows(line)]
    parts = [part for name, line in results["lines"].items() for part in _line(name, line)]
    absent = [f"`{name}`" for name in LINES if name not in results["lines"]]
    waiting = f"\nNot measured yet: {', '.join(absent)}.\n" if absent else ""
    return _HEAD + where + table + "".join(rows) + waiting + "".join(parts)


def _rows(line: Mapping[str, Any]) -> Iterator[str]:
    for figure in line["figures"]:
        sign = "≥" if figure["at_least"] else "≤"
        target = figure["target"]
        wanted = "" if target is None else f"{sign} {_number(target, figure['unit'])}"
        said = {None: "", True: "reached", False: "**not reached**"}[figure["reached"]]
        value = _number(figure["value"], figure["unit"])
        yield f"| {line['title']}: {figure['what']} | {value} | {wanted} | {said} |\n"


def _line(name: str, line: Mapping[str, Any]) -> Iterator[str]:
    pairs = max(figure["pairs"] for figure in line["figures"])
    yield (
        f"\n## {line['title']}\n\n`nox -s bench -- {name}`: commit {line['commit']}, "
        f"{line['date']} UTC, load before {line['load_before']}, "
        f"{pairs} pair{'s' if pairs > 1 else ''}, {line['seconds']} s.\n"
    )
    if line["note"]:
        yield f"\n{line['note']}\n"
    columns = list(line["parts"])
    if columns:
        names = list(dict.fromkeys(n for part in line["parts"].values() for n in part))
        yield f"\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}\n"
        for n in names:
            cells = [_plain(part.get(n)) for part in line["parts"].values()]
            yield f"| {n} | {' | '.join(cells)} |\n"


def _number(value: float, unit: str) -> str:
    return f"{value:g} {unit}".strip() if unit not in ("x",) else f"{value:g}x"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


if __name__ == "__main__":
    write()
