"""`mlops features suggest`: what would help is found and can be copied; noise is not found."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

import learning
from learning import configure, make, reconfigure
from mlops_cli.actions.suggest import suggest_features
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import DataError, UsageError
from mlops_cli.features.base import load_schemas
from mlops_cli.features.candidates import Candidate, candidates, with_candidates
from mlops_cli.features.layout import check_features
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.validate import validate

ROWS = 900
START = np.datetime64("2024-01-01", "us")
DATA = {"table": "data/raw/events.parquet", "target": "target", "time": "at"}
JOIN = {"table": "data/raw/weather.parquet", "on": ["place"], "asof": "seen", "columns": ["rain"]}


def table(told: bool) -> pa.Table:
    """The target is the ratio of two columns (`told`), or chance."""
    rng = np.random.default_rng(5)
    a, b, c, d = (rng.uniform(1, 9, ROWS) for _ in range(4))
    return pa.table(
        {
            "at": pa.array(START + np.arange(ROWS).astype("timedelta64[h]")),
            "a": a,
            "b": b,
            "c": c,
            "d": d,
            "place": pa.array(rng.choice(["N", "S"], ROWS)),
            "target": (10 * a / b if told else 0) + rng.normal(0, 1, ROWS),
        }
    )


def weather() -> pa.Table:
    rng = np.random.default_rng(6)
    hours = np.repeat(np.arange(ROWS), 2)
    return pa.table(
        {
            "seen": pa.array(START + hours.astype("timedelta64[h]")),
            "place": pa.array(["N", "S"] * ROWS),
            "rain": rng.normal(size=2 * ROWS),
            "written": pa.array(START + hours.astype("timedelta64[h]")),
        }
    )


def project_of(root, monkeypatch, *, told: bool = True, **features: Any):
    monkeypatch.setattr(learning, "events", lambda n, task: table(told))
    monkeypatch.setattr(learning, "configure", lambda root, config: _joined(root, config))
    return make(
        root,
        task="regression",
        data=DATA,
        features={"columns": ["a", "b", "c", "d", "place"], "join": [JOIN], **features},
        tune={"trials": 1, "rounds": 60},
    )


def _joined(root, config):
    pq.write_table(weather(), root / "data/raw/weather.parquet")
    return configure(root, config)


def test_what_the_target_is_made_of_is_found_and_can_be_copied(tmp_path, monkeypatch, mlops):
    project = project_of(tmp_path / "p", monkeypatch)
    before = (project.root / "mlops.yaml").read_bytes()
    done = mlops(project.root, "features", "suggest", "--json")
    result = json.loads(done.out)["result"]
    assert result["suggested"][0]["name"] == "a_per_b"
    assert result["together"]["value"] > result["suggested"][0]["worth"]["low"] > 0
    assert result["looked"] > 20  # pairs of five numbers, and means of the rain over two windows
    assert not list((project.root / ".mlops").glob("tmp*/data"))
    assert (project.root / "mlops.yaml").read_bytes() == before
    said = YAML(typ="safe").load(project.root / "features/suggested.yaml")
    assert said["row"]["a_per_b"] == '"a" / nullif("b", 0)'
    assert "a_less_b" not in said["row"]  # of two of the same columns one is enough
    added = {"columns": ["a", "b", "c", "d", "place"], "join": [JOIN], **said}
    config = YAML(typ="safe").load(project.root / "mlops.yaml") | {"features": added}
    again = configure(project.root, config)
    write_missing_contracts(again)
    validate(again)
    assert "a_per_b" in featurize(again).features


def test_noise_suggests_nothing(tmp_path, monkeypatch, mlops):
    project = project_of(tmp_path / "p", monkeypatch, told=False)
    done = mlops(project.root, "features", "suggest")
    assert done.out == "0 of 30 candidates: features/suggested.yaml\n"
    said = YAML(typ="safe").load(project.root / "features/suggested.yaml")
    assert said == {"row": {}, "aggregates": []}


def first_of(root: Path, monkeypatch: pytest.MonkeyPatch, value: Any) -> tuple[str, Any]:
    """The best suggestion for a target of `value(table)`: its name, and the first aggregate."""
    plain = table

    def made(told: bool) -> pa.Table:
        found = plain(told)
        return found.set_column(
            found.column_names.index("target"), "target", pa.array(value(found))
        )

    monkeypatch.setitem(globals(), "table", made)
    project = project_of(root, monkeypatch)
    found = suggest_features(project)
    said = YAML(typ="safe").load(project.root / "features/suggested.yaml")
    return found.suggested[0].name, said["aggregates"][0]


def test_a_mean_of_a_joined_table_is_a_definition(tmp_path, monkeypatch):
    rain = weather()["rain"].to_numpy().reshape(-1, 2)
    known = np.array([rain[max(0, i - 23) : i + 1].mean(axis=0) for i in range(ROWS)])

    def rained(events: pa.Table) -> Any:
        side = np.where(np.asarray(events["place"]) == "N", 0, 1)
        return 40 * known[np.arange(ROWS), side]

    name, first = first_of(tmp_path / "p", monkeypatch, rained)
    assert name == "rain_mean_1d"
    assert first["window"] == "1d"
    assert (first["expr"], first["by"]) == ('avg("rain")', ["place"])


def test_what_earlier_events_tell_of_a_key_is_found(tmp_path, monkeypatch):
    def remembered(events: pa.Table) -> Any:
        place, a = (np.asarray(events[name]) for name in ("place", "a"))
        of_key = [place[max(0, i - 24) : i] == place[i] for i in range(ROWS)]
        before = [a[max(0, i - 24) : i][same].mean() if same.any() else 0.0
                  for i, same in enumerate(of_key)]  # fmt: skip
        return 40 * np.array(before)

    name, first = first_of(tmp_path / "p", monkeypatch, remembered)
    assert name == "a_mean_1d_by_place"
    assert first["table"] == DATA["table"]
    assert first["lag"] == "1s"


def test_outcomes_of_earlier_events_count_from_when_they_are_known(tmp_path, monkeypatch):
    known = {**DATA, "target_known_after": "6h", "id": {"subject": ["place"]}}
    project = project_of(tmp_path / "p", monkeypatch)
    assert not [c for c in every(project) if "target" in c.name]
    project = reconfigure(project, data=known, features={"columns": ["a", "b"], "join": [JOIN]})
    made = {c.name: c.definition for c in every(project)}
    assert made["target_mean_1w_by_place"].lag == timedelta(hours=6)
    assert made["target_mean_1w_by_place"].expr == 'avg("target")'
    check_features(with_candidates(project.config, every(project)), load_schemas(project))
    versions = {**JOIN, "known_at": "written"}  # of which nothing is aggregated
    project = reconfigure(project, features={"columns": ["a", "b"], "join": [versions]})
    assert not [c for c in every(project) if "rain" in c.name and "mean" in c.name]


def every(project: Project) -> list[Candidate]:
    schemas = load_schemas(project)
    return candidates(project.config, schemas, check_features(project.config, schemas))


def test_a_table_without_numbers_is_refused_and_classes_are_judged(tmp_path):
    data = {"table": "data/raw/events.parquet", "target": "target"}
    alone = make(tmp_path / "q", n=100, data=data, features={"columns": ["x", "kind"]})
    with pytest.raises(UsageError, match="nothing to suggest"):
        suggest_features(alone)
    few = make(tmp_path / "few", task="regression", n=12)
    with pytest.raises(DataError, match=r"suggest: .*folds"):
        suggest_features(few)
    # Of some of these folds the judged part has one class, where no area under a curve is defined.
    short = make(tmp_path / "s", n=100, features={"columns": ["x", "kind"]})
    assert suggest_features(short).looked == 4  # of earlier rows
    several = make(tmp_path / "p", task="multiclass", n=200)
    assert suggest_features(several).looked == 8  # two of the numbers, six of earlier rows
