"""A small real bundle of what featurize wrote, without a search: for tests of scoring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost

from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import Feature
from mlops_cli.bundle.plan import FeaturePlan
from mlops_cli.bundle.writer import Model, write_bundle
from mlops_cli.config.load import load_project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.expressions.tree import FeatureTrees
from mlops_cli.monitoring.drift.profile import Units, build_profile
from mlops_cli.packaging.requirements import serving_requirements
from mlops_cli.stages.featurize import featurize
from mlops_cli.tables.matrix import encode, frozen_categories

OBJECTIVES = {"binary": "binary:logistic", "regression": "reg:squarederror"}


def fit(root: Path, task: str = "binary") -> None:
    """Write `model/` in the project `root`, whose features are made."""
    plan = msgspec.json.decode((root / "data/features.json").read_bytes(), type=FeaturePlan)
    table = pq.read_table(root / "data/features.parquet")
    frozen = frozen_categories(table, [f.name for f in plan.features if f.kind == "category"])
    features = tuple(Feature(f.name, f.kind, frozen.get(f.name)) for f in plan.features)
    matrix = encode(table, features)
    target = table["__target__"].to_pylist()
    labels = [plan.classes.index(t) for t in target] if plan.classes else target
    parameters = {"objective": OBJECTIVES[task], "nthread": 1, "max_depth": 4}
    booster = xgboost.train(parameters, xgboost.DMatrix(matrix, np.array(labels, float)), 8)
    files = {"golden.jsonl": b"", "requirements.txt": serving_requirements("xgboost").encode()}
    files["model.ubj"] = bytes(booster.save_raw("ubj"))
    files["features.json"] = canonical_json(FeatureTrees(plan.trees))
    files["profile.json"] = build_profile(
        table, inputs=plan.inputs, features=features, importance={}, units=_units(root, table)
    )
    modules = {"numpy": np.__version__, "xgboost": xgboost.__version__}
    shape = (plan.target, plan.classes, "xgboost", plan.inputs, features, modules)
    write_bundle(root / "model", Model("x", task, *shape), files, {})


def _units(root: Path, table: pa.Table) -> Units:
    moments = None
    if "__time__" in table.column_names:
        moments = np.asarray(table["__time__"].cast(pa.timestamp("us")).cast(pa.int64()))
    return Units(load_project(root).config.data.id.subject, moments)


def project_of(root: Path, table: str, target: str, **sections: Any) -> Path:
    """A project in `root` of its file `table`, with a contract inferred, features and a model."""
    task = sections.pop("task", "binary")
    data = {"table": table, "target": target, **sections.pop("data", {})}
    config = {"project": "x", "task": task, "data": data, **sections}
    (root / "mlops.yaml").write_text(json.dumps(config))
    project = load_project(root)
    write_missing_contracts(project)
    featurize(project)
    fit(root, task)
    return root
