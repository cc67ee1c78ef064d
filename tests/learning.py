"""A small project whose features are made, for the tests of tune and train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import projects
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.validate import validate


def events(n: int, task: str, seed: int = 0) -> pa.Table:
    """Rows in time: a number with nulls, an integer, a text with nulls, a flag, and a target."""
    rng = np.random.default_rng(seed)
    x, k = rng.normal(10, 5, n), rng.integers(0, 50, n)
    kind = rng.choice(["a", "b", "c", "d'é"], n)
    z = 0.3 * (x - 10) + (kind == "b") * 1.5 - (kind == "c") + rng.normal(0, 1, n)
    target = {
        "binary": z > 0,
        "multiclass": np.array(["low", "middle", "high"])[np.digitize(z, [-0.7, 0.7])],
        "regression": 10 * z,
    }[task]
    at = np.datetime64("2024-01-01", "us") + np.arange(n).astype("timedelta64[h]")
    return pa.table(
        {
            "at": pa.array(at),
            "x": pa.array(x, mask=rng.random(n) < 0.1),
            "k": k,
            "kind": pa.array(kind, mask=rng.random(n) < 0.05),
            "open": rng.random(n) < 0.5,
            "target": target,
        }
    )


def make(root: Path, *, task: str = "binary", n: int = 300, **sections: Any) -> Project:
    """The project in `root`, through featurize; `sections` replace those of `mlops.yaml`."""
    (root / "data/raw").mkdir(parents=True)
    pq.write_table(events(n, task), projects.with_database(root) / "data/raw/events.parquet")
    config = {
        "project": "small",
        "task": task,
        "data": {"table": "data/raw/events.parquet", "target": "target", "time": "at"},
        "features": {"columns": ["x", "k", "kind", "open"], "row": {"dow": "dayofweek(at)"}},
        "tune": {"trials": 4, "rounds": 20},
        **sections,
    }
    project = configure(root, config)
    write_missing_contracts(project)
    validate(project)
    featurize(project)
    return project


def configure(root: Path, config: dict[str, Any]) -> Project:
    """Write `mlops.yaml` and load the project again."""
    (root / "mlops.yaml").write_text(json.dumps(config))
    return load_project(root)


def reconfigure(project: Project, **sections: Any) -> Project:
    """The same project with some sections of `mlops.yaml` replaced."""
    old = json.loads((project.root / "mlops.yaml").read_text())
    return configure(project.root, {**old, **sections})
