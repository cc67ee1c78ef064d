"""docs/reference/performance.md says what was measured, and no more."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks")


def test_the_page_is_made_from_the_results(benchmarks):
    report = importlib.import_module("benchmarks.report")
    results = json.loads((ROOT / "benchmarks/results.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs/reference/performance.md").read_text(encoding="utf-8")
    assert page == report.page(results)


def test_every_line_is_a_file_and_every_file_a_line(benchmarks):
    files = {path.stem for path in (ROOT / "benchmarks/lines").glob("[!_]*.py")}
    assert files == set(benchmarks.LINES)


def test_a_figure_that_is_not_reached_says_so(benchmarks):
    report = importlib.import_module("benchmarks.report")
    results = importlib.import_module("benchmarks.results")
    short = results.Figure("wall", 1.4, "x", target=1.25)
    assert (short.reached, results.Figure("p99", 20.0, "ms", target=30).reached) == (False, True)
    assert results.Figure("rate", 19.0, "x", target=20, at_least=True).reached is False
    row = {"what": "wall", "value": 1.4, "unit": "x", "target": 1.25, "at_least": False}
    line = {"title": "a run", "figures": [{**row, "reached": False, "pairs": 3}], "parts": {}}
    told = {"commit": "c", "date": "d", "load_before": 0.1, "seconds": 9, "note": "in the search"}
    machine = {"cpu": "x", "cores": 2, "memory_gib": 8, "system": "Linux", "python": "3.11"}
    page = report.page({"machine": machine, "lines": {"flights": {**line, **told}}})
    assert "| a run: wall | 1.4x | ≤ 1.25x | **not reached** |" in page
    assert "in the search" in page
    assert "Not measured yet: `start`, " in page
    assert "`flights`," not in page
