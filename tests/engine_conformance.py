"""What every engine has to hold: the files that DuckDB makes by itself, for any tables.

A class that inherits it names a cluster; each test makes a project's files without it, then on it.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from engine_worlds import INEXACT, world
from extremes import ARROW
from fuzzed_expressions import COLUMNS, every_signature, rows
from mlops_cli.actions.drift import drift
from mlops_cli.actions.ingest import ingest
from mlops_cli.actions.score import score
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import (
    DRIFT_REPORT,
    FEATURES_PLAN,
    FEATURES_TABLE,
    REJECTED,
    VALIDATE_REPORT,
)
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import DataError, MlopsError
from mlops_cli.expressions.tree import ValueType
from mlops_cli.features.expressions import parse
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.validate import validate


class Conformance:
    """Inherit it, and name the cluster."""

    url = "local"
    sizes: tuple[int, ...] = (500,)
    """Rows of a task, for the tests that cut a table in several ways."""
    rows = 600
    """Rows of random values for the expressions."""

    def on(self, project: Project, rows: int = 500, **settings: str) -> Project:
        """The project on the cluster, with tasks of so many rows."""
        given = {"spark": self.url, "rows": rows, "settings": settings}
        engine = project.config.engine.model_copy(update=given)
        return replace(project, config=project.config.model_copy(update={"engine": engine}))

    def test_every_way_of_making_a_feature(self, model: Path, tmp_path: Path) -> None:
        project = _copied(model, tmp_path)
        alone = _features(project)
        assert json.loads(alone[1])["rows"] > 1_000
        for size in self.sizes:
            there = _features(self.on(project, size))
            assert there[1] == alone[1]
            _check_frames(there[0], alone[0], exactly=True)
            assert there[0] == alone[0]

    def test_sums_whose_order_is_open_differ_in_their_last_digits(self, tmp_path: Path) -> None:
        project = world(tmp_path, more=INEXACT)
        _check_frames(_features(self.on(project))[0], _features(project)[0], exactly=False)

    def test_every_expression(self, tmp_path: Path) -> None:
        project = _of_expressions(tmp_path, self.rows)
        alone = _features(project)
        there = _features(self.on(project, self.rows // 3))
        _check_frames(there[0], alone[0], exactly=True)
        assert there == alone

    def test_only_what_is_recent(self, model: Path, tmp_path: Path) -> None:
        project = _edited(_copied(model, tmp_path), "data", window="10d")
        alone = _features(project)
        assert _features(self.on(project)) == alone
        assert json.loads(alone[1])["rows"] < 500

    def test_a_folder_of_parts_one_of_which_lacks_a_column(self, tmp_path: Path) -> None:
        project = world(tmp_path)
        table = project.root / "data/raw/events.parquet"
        whole = pq.read_table(table)
        table.unlink()
        table.mkdir()
        for i in range(4):
            part = whole.slice(i * 300, 300)
            part = part.drop_columns(["seen"]) if i == 2 else part
            pq.write_table(part, table / f"{i}.parquet")
        assert _features(self.on(project)) == _features(project)

    def test_contracts(self, model: Path, tmp_path: Path) -> None:
        project = _copied(model, tmp_path)
        _break(project)
        assert _validated(self.on(project)) == _validated(project)
        rejected = pq.read_table(project.root / REJECTED).to_pylist()
        assert {r["rule"] for r in rejected} >= {"range", "null", "positive"}

    def test_scores(self, model: Path, tmp_path: Path) -> None:
        project = _copied(model, tmp_path)
        source = project.root / "data/raw/events.parquet"
        found = [
            _scored(on, source, tmp_path / f"{i}.parquet")
            for i, on in enumerate((project, self.on(project)))
        ]
        assert found[0] == found[1]
        assert pq.read_metadata(tmp_path / "1.parquet").num_rows == 1_200

    def test_scores_of_csv(self, model: Path, tmp_path: Path) -> None:
        project = _copied(model, tmp_path)
        source, parquet = tmp_path / "rows.csv", project.root / "data/raw/events.parquet"
        pd.read_parquet(parquet).head(500).to_csv(source, index=False)
        alone, there = (
            _scored(on, source, tmp_path / f"{i}.csv")
            for i, on in enumerate((project, self.on(project)))
        )
        assert alone == there

    def test_drift(self, model: Path, tmp_path: Path) -> None:
        project = _copied(model, tmp_path)
        later = pq.read_table(project.root / "data/raw/events.parquet").slice(400)
        pq.write_table(later, tmp_path / "later.parquet")
        reports = []
        for on in (project, self.on(project)):
            drift(on, current=tmp_path / "later.parquet", bundle=model / "model")
            reports.append(json.loads((on.root / DRIFT_REPORT).read_text()))
        alone, there = reports
        assert _rounded(alone) == _rounded(there)

    def test_a_value_that_is_none_is_the_same_error(self, model: Path, tmp_path: Path) -> None:
        project = _copied(model, tmp_path)
        frame = pd.read_parquet(project.root / "data/raw/events.parquet").astype({"n": "object"})
        frame.loc[[700, 900], "n"] = "many"
        frame.assign(n=frame["n"].astype("string")).to_parquet(tmp_path / "bad.parquet")
        said = [
            _refused(DataError, score, on, tmp_path / "bad.parquet", tmp_path / "out.parquet")
            for on in (project, self.on(project))
        ]
        assert said[0] == said[1]
        assert "row 700" in said[1]
        assert not (tmp_path / "out.parquet").exists()

    def test_a_function_that_raises_is_the_same_error(self, model: Path, tmp_path: Path) -> None:
        project = _copied(model, tmp_path)
        code = "def odd(n):\n    return 6 / (1 if n is None else n)\n"
        (project.root / "own.py").write_text(code)
        project = _edited(project, "features", python=["own.py:odd"])
        said = [
            re.sub(r"row \d+", "row", _refused(MlopsError, featurize, on))  # the first to meet a 0
            for on in (project, self.on(project))
        ]
        assert said[0] == said[1]
        assert re.search(r"ZeroDivisionError.*own\.py, line 2.*given n=0", said[1])
        assert not list(project.cache.glob("parts-*"))

    def test_parts_of_two_schemas_are_the_same_error(self, model: Path, tmp_path: Path) -> None:
        project = _copied(model, tmp_path)
        table = project.root / "data/raw/events.parquet"
        whole = pq.read_table(table)
        table.unlink()
        table.mkdir()
        other = pa.array(["many"] * 600)
        place = whole.column_names.index("n")
        pq.write_table(whole.slice(0, 600), table / "0.parquet")
        pq.write_table(whole.slice(600).set_column(place, "n", other), table / "1.parquet")
        said = [_refused(DataError, validate, on) for on in (project, self.on(project))]
        assert said[0] == said[1]
        assert "n" in said[1]

    def test_folders_of_a_partition_however_they_are_filled(self, tmp_path: Path) -> None:
        project = world(tmp_path)
        whole = pq.read_table(project.root / "data/raw/events.parquet")
        for month, start in (("01", 0), ("10", 600)):
            folder = project.root / f"lake/month={month}"
            folder.mkdir(parents=True)
            pq.write_table(whole.slice(start, 600), folder / "part.parquet")
        features = project.config.features.model_dump(mode="json", exclude_defaults=True)
        config = {
            "project": "p",
            "task": "binary",
            "data": {"table": "lake", "name": "events", "target": "y", "time": "at"},
            "features": {"columns": ["month", "x"], "join": features["join"]},
        }
        (project.root / "mlops.yaml").write_text(json.dumps(config))
        (project.root / "contracts/events.yaml").unlink()
        ingest(load_project(project.root))
        project = load_project(project.root)
        write_missing_contracts(project)
        alone = _features(project)
        assert _features(self.on(project)) == alone
        assert set(pd.read_parquet(io.BytesIO(alone[0]))["month"]) == {1, 10}

    def test_keys_that_are_there_twice_are_the_same_error(
        self, model: Path, tmp_path: Path
    ) -> None:
        project = _copied(model, tmp_path)
        cities = project.root / "data/raw/cities.parquet"
        twice = pq.read_table(cities)
        pq.write_table(pa.concat_tables([twice, twice.slice(2, 1)]), cities)
        before = (project.root / FEATURES_TABLE).read_bytes()
        said = [_refused(DataError, featurize, on) for on in (project, self.on(project))]
        assert said[0] == said[1]
        assert (project.root / FEATURES_TABLE).read_bytes() == before
        assert not list(project.cache.glob("parts-*"))


def _copied(root: Path, to: Path) -> Project:
    return load_project(shutil.copytree(root, to / "project"))


def _edited(project: Project, section: str, **keys: Any) -> Project:
    yaml = YAML()
    path = project.root / "mlops.yaml"
    config = yaml.load(path)
    config[section].update(keys)
    yaml.dump(config, path)
    return load_project(project.root)


def _features(project: Project) -> tuple[bytes, bytes]:
    featurize(project)
    return (project.root / FEATURES_TABLE).read_bytes(), (project.root / FEATURES_PLAN).read_bytes()


def _check_frames(found: bytes, wanted: bytes, *, exactly: bool) -> None:
    one, other = (pd.read_parquet(io.BytesIO(content)) for content in (found, wanted))
    near = {"check_exact": True} if exactly else {"rtol": 1e-6, "atol": 1e-9}
    pd.testing.assert_frame_equal(one, other, **near)


def _break(project: Project) -> None:
    yaml, path = YAML(), project.root / "contracts/events.yaml"
    contract = yaml.load(path)
    contract["columns"]["x"]["max"] = 2.0
    contract["columns"]["city"]["nullable"] = False
    contract["rules"] = [{"name": "positive", "expr": "n > -3 or flag"}]
    yaml.dump(contract, path)


def _validated(project: Project) -> tuple[bytes, bytes]:
    lenient = project.config.validate_.model_copy(
        update={"on_bad_rows": "quarantine", "max_bad_share": 0.9}
    )
    config = project.config.model_copy(update={"validate_": lenient})
    validate(replace(project, config=config))
    return (project.root / VALIDATE_REPORT).read_bytes(), (project.root / REJECTED).read_bytes()


def _scored(project: Project, source: Path, to: Path) -> bytes:
    result = score(project, source, to, bundle=project.root / "model")
    return to.read_bytes() + repr(result.columns).encode()


def _rounded(value: Any) -> Any:
    """Distances are sums of floats: their last digits are those of an order."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _refused(kind: type[MlopsError], work: Any, *given: Any) -> str:
    with pytest.raises(kind) as refused:
        work(*given, **({"bundle": given[0].root / "model"} if work is score else {}))
    return f"{refused.value.message} {refused.value.hint}"


def _of_expressions(folder: Path, count: int) -> Project:
    """A project with a feature for each signature of the closed set, over extreme values."""
    raw = folder / "data/raw"
    raw.mkdir(parents=True)
    columns = {n: pa.array(v, ARROW[COLUMNS[n]]) for n, v in rows(count, 7).items()}
    table = pa.table({**columns, "y": pa.array([i % 3 == 0 for i in range(count)])})
    pq.write_table(table, raw / "t.parquet", row_group_size=count // 7)
    written = {f"made_{i}": text for i, text in enumerate(map(_feature, every_signature()))}
    config = {
        "project": "p",
        "task": "binary",
        "data": {"table": "data/raw/t.parquet", "target": "y"},
        "features": {"row": written},
    }
    (folder / "mlops.yaml").write_text(json.dumps(config))
    project = load_project(folder)
    write_missing_contracts(project)
    return project


def _feature(expression: str) -> str:
    kind: ValueType = parse(expression, COLUMNS).type
    return f"epoch({expression})" if kind in ("date", "timestamp") else expression
