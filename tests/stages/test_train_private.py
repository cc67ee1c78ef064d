"""train: what a bundle tells of the rows that it was fitted on."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from learning import make, reconfigure
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.stages.validate import validate


def test_a_golden_row_is_drawn_again_where_it_breaks_the_contract(tmp_path):
    """`kind` is sensitive, so that it is drawn apart from what a rule reads beside it."""
    project = make(tmp_path / "p", n=200)
    contract = project.root / "contracts/events.yaml"
    rule = "rules: [{name: a is small, expr: \"kind <> 'a' or k < 25\"}]\n"
    contract.write_text(contract.read_text() + rule)
    project = reconfigure(
        project,
        data={**project.config.data.model_dump(exclude_defaults=True), "sensitive": ["kind"]},
        validate={"on_bad_rows": "quarantine", "max_bad_share": 1},
        tune={"trials": 2, "rounds": 5},
    )
    for stage in (validate, featurize, tune, train):
        stage(project)
    rows = [row.inputs for row in open_bundle(project.root / "model").golden()]
    assert {"a", "b", "c", "d'é", None} <= {row["kind"] for row in rows}
    assert not [row for row in rows if row["kind"] == "a" and row["k"] >= 25]
    known = pq.read_table(project.root / "data/features.parquet").select(["k", "kind"]).to_pylist()
    pairs = {(row["k"], row["kind"]) for row in known}
    assert any((row["k"], row["kind"]) not in pairs for row in rows)


def test_a_bundle_tells_nothing_of_a_sensitive_column_that_fewer_than_five_rows_share(tmp_path):
    project = make(tmp_path / "p", n=200)
    file = project.root / "data/raw/events.parquet"
    table = pq.read_table(file)
    kinds = ["village", *table["kind"].to_pylist()[1:-3], *["hamlet"] * 3]
    ages = [*range(1000, 1004), *table["k"].to_pylist()[4:]]
    for name, values in (("kind", kinds), ("k", ages)):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, file)
    project = reconfigure(
        project,
        data={**project.config.data.model_dump(exclude_defaults=True), "sensitive": ["kind", "k"]},
        features={"columns": ["x", "kind"], "row": {"twice": "2 * k", "low": "lower(kind)"}},
        validate={"on_bad_rows": "warn"},
        tune={"trials": 2, "rounds": 5},
    )
    for stage in (validate, featurize, tune, train):
        stage(project)
    bundle = open_bundle(project.root / "model")
    for feature in bundle.manifest.features:
        assert feature.categories in (None, ("a", "b", "c", "d'é"))
    for name in bundle.manifest.files:
        content = (bundle.path / name).read_bytes()
        assert b"village" not in content
        assert b"hamlet" not in content
    assert {row.inputs["k"] for row in bundle.golden()} <= {None, *range(50)}
    for column in bundle.profile().columns:
        counts = column.distribution.counts
        least = min(counts.values() if isinstance(counts, dict) else counts)
        assert least >= 5 or column.name == "x"
