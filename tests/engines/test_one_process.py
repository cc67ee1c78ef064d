"""What a cluster makes is what DuckDB makes by itself, however rows are cut and sent."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine_conformance import Conformance
from task_clusters import OneProcess


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks in this process stand for Spark: the rest of the way is the one that Spark goes."""
    module = SimpleNamespace(open_cluster=lambda url, settings: OneProcess())
    monkeypatch.setitem(sys.modules, "mlops_cli.tables.spark", module)


class TestOneProcess(Conformance):
    pass


@pytest.mark.slow
def test_tasks_of_any_size(model: Path, tmp_path: Path) -> None:
    suite = TestOneProcess()
    suite.sizes = (100_000, 150)
    suite.test_every_way_of_making_a_feature(model, tmp_path)
