"""The repository of Feast: what it finds at any moment is what `featurize` makes."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.actions.export import export
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import UsageError
from mlops_cli.features.base import load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.features.raw_table import training_sql
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW
from online_store import EXPRESSIONS, History, differing, facts_of, history_of

CLIENTS = os.environ.get("MLOPS_CLIENTS")
_READ = """
import sys
import pandas as pd
from feast import FeatureStore
store = FeatureStore(repo_path=".")
events = pd.read_parquet(sys.argv[1])
events["event_timestamp"] = pd.to_datetime(events["ts"], utc=True)
found = store.get_historical_features(
    entity_df=events[["z", "k", "n", "event_timestamp"]],
    features=store.get_feature_service(sys.argv[2]),
).to_df()
found.sort_values("z").to_parquet(sys.argv[3])
"""


def _project(root: Path, events: int) -> Project:
    """A project of random facts, with events of known keys that bring nothing else."""
    draw = random.Random(21)
    history: History = history_of(root, draw, facts_of(draw, 300), events)
    (root / "data/raw").mkdir(parents=True)
    (root / "facts.parquet").rename(root / "data/raw/facts.parquet")
    known = [e for e in history.events if e["k"] not in (None, "nobody") and e["n"] in (1, 2)]
    known = list({(e["k"], e["ts"]): e for e in known}.values())  # Feast drops repeats
    rows = [{**e, "y": i % 2, "z": float(i)} for i, e in enumerate(known)]
    schema = pa.schema([("k", pa.string()), ("n", pa.int64()), ("ts", pa.timestamp("us")),
        ("y", pa.int64()), ("z", pa.float64())])  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema), root / "data/raw/events.parquet")
    aggregates = "\n".join(
        f"    - {{name: a{i}, expr: '{e}', table: data/raw/facts.parquet, by: "
        f"{['[k]', '[k, n]'][i % 2]}, window: {['6h', '3d'][i % 2]}, lag: 1h}}"
        for i, e in enumerate(EXPRESSIONS)
        if "s" not in e.partition("(")[2]
    )
    (root / "mlops.yaml").write_text(
        "project: from-facts\ntask: binary\n"
        "data: {table: data/raw/events.parquet, target: y, time: ts}\n"
        "validate: {on_bad_rows: warn}\nfeatures:\n  columns: [z]\n"
        "  join:\n    - {table: data/raw/facts.parquet, on: [k], asof: ts, lag: 1h, ttl: 5h, "
        f"columns: [x, s]}}\n  aggregates:\n{aggregates}\n"
    )
    write_missing_contracts(load_project(root))
    return load_project(root)


def _offline(project: Project, names: list[str]) -> list[tuple[object, ...]]:
    schemas = load_schemas(project)
    layout = check_features(project.config, schemas)
    path = project.root / project.config.data.table
    with open_engine() as engine:
        sql = training_sql(engine, project, schemas, layout, path)
        cells = ", ".join(f'"{name}"' for name in names)
        return engine.rows(f"select {cells} from ({sql}) order by {ROW}")


def _names(project: Project) -> list[str]:
    features = project.config.features
    return [*(n for join in features.join for n in join.columns),
        *(a.name for a in features.aggregates)]  # fmt: skip


def test_the_last_value_up_to_a_moment_is_that_of_featurize(tmp_path: Path) -> None:
    project = _project(tmp_path, 500)
    result = export(project, "feast", tmp_path / "repo")
    assert set(result.written) == {
        "feature_store.yaml", "features.py", "data/by_k.parquet", "data/by_k_n.parquet",
    }  # fmt: skip
    names = _names(project)
    compile((tmp_path / "repo/features.py").read_text(), "features.py", "exec")
    found = duckdb.sql(
        f"set timezone = 'UTC'; select {', '.join(names)} from "
        f"(select e.z, a.* exclude (k, event_timestamp), b.* exclude (k, n, event_timestamp) "
        f"from '{tmp_path}/data/raw/events.parquet' e "
        f"asof left join '{tmp_path}/repo/data/by_k.parquet' a "
        f"on e.k = a.k and e.ts >= a.event_timestamp "
        f"asof left join '{tmp_path}/repo/data/by_k_n.parquet' b "
        f"on e.k = b.k and e.n = b.n and e.ts >= b.event_timestamp) order by z"
    ).fetchall()
    online = [dict(zip(names, row, strict=True)) for row in found]
    assert len(online) > 100
    assert differing(names, online, _offline(project, names)) == []
    again = export(project, "feast", tmp_path / "repo")
    assert again.unchanged == ("feature_store.yaml", "features.py")


def test_nothing_that_is_found_by_key_and_names_that_are_none_are_told(tmp_path: Path) -> None:
    project = _project(tmp_path, 20)
    text = (tmp_path / "mlops.yaml").read_text()
    (tmp_path / "mlops.yaml").write_text(text.partition("  join:")[0])
    with pytest.raises(UsageError, match="nothing for Feast to keep"):
        export(load_project(tmp_path), "feast", tmp_path / "repo")
    (tmp_path / "mlops.yaml").write_text(text.replace("name: a0", "name: a-0"))
    with pytest.raises(UsageError, match="'a-0' is no name in Feast"):
        export(load_project(tmp_path), "feast", tmp_path / "repo")
    assert not (tmp_path / "repo").exists()
    assert project.config.project == "from-facts"


@pytest.mark.skipif(
    CLIENTS is None, reason="MLOPS_CLIENTS names no folder with the tools: nox -s clients"
)
def test_feast_itself_applies_it_and_finds_the_same_in_1000_rows(tmp_path: Path) -> None:
    project = _project(tmp_path, 4500)
    export(project, "feast", tmp_path / "repo")
    tools = Path(f"{CLIENTS}/feast/bin")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"FEAST_USAGE": "False"}
    for command in (
        [tools / "feast", "apply"],
        [tools / "python", "-c", _READ, "../data/raw/events.parquet", "from_facts", "found.pq"],
        [tools / "feast", "materialize-incremental", "2030-01-01T00:00:00"],
    ):
        done = subprocess.run(
            command, cwd=tmp_path / "repo", env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    names = _names(project)
    rows = pq.read_table(tmp_path / "repo/found.pq").to_pylist()
    assert len(rows) > 1000

    def plain(value: object, offline: object) -> object:
        """Feast reads through pandas: a column of whole numbers with nulls is one of floats."""
        if value is None or value != value:
            return None
        return type(offline)(value) if isinstance(offline, (bool, int)) else value  # type: ignore[call-overload]  # of those

    offline = _offline(project, names)
    found = [
        {n: plain(row[n], cell) for n, cell in zip(names, cells, strict=True)}
        for row, cells in zip(rows, offline, strict=True)
    ]
    assert differing(names, found, offline) == []
