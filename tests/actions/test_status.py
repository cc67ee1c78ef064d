"""The command status: it reads, and creates or changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

from mlops_cli.actions.status import status
from mlops_cli.config.load import load_project


def test_status_of_a_project_where_nothing_ran(tmp_path: Path) -> None:
    join = {"table": "data/raw/storms.parquet", "asof": "seen", "columns": ["wind"]}
    config = {
        "project": "parcels",
        "task": "binary",
        "data": {"table": "data/raw/parcels.parquet", "target": "late", "time": "at"},
        "features": {"join": [join]},
    }
    (tmp_path / "mlops.yaml").write_text(json.dumps(config))
    before = sorted(tmp_path.iterdir())
    found = status(load_project(tmp_path))
    assert (found.champion, found.decision, found.metrics, found.drift) == (None, None, None, None)
    assert found.deployments == ()
    assert {s.state for s in found.stages} == {"not run yet"}
    assert {m.name for m in found.missing} == {
        "data/raw/parcels.parquet",
        "data/raw/storms.parquet",
        "registry",
    }
    assert sorted(tmp_path.iterdir()) == before
