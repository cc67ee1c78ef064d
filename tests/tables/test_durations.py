"""A duration is its seconds, whatever unit its Parquet file keeps it in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.contracts.infer import infer_contract
from mlops_cli.errors import DataError
from mlops_cli.scaffold.study import study_file
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import Engine
from mlops_cli.tables.durations import seconds

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LONGEST = 9 * 10**9  # seconds that nanoseconds of 64 bits can say


def written(folder: Path, unit: str, values: list[int | None]) -> Path:
    """A file of one column `wait`; `values` are of that unit."""
    path = folder / f"{unit}.parquet"
    pq.write_table(pa.table({"wait": pa.array(values, pa.duration(unit))}), path)
    return path


def read(path: Path) -> list[tuple[Any, ...]]:
    with open_engine() as engine:
        relation = engine.typed_with_source(path, {"wait": "float"})
        return engine.rows(f"select wait, __source__wait from {relation} order by __row__")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine() as opened:
        yield opened


@pytest.mark.parametrize("unit", UNITS)
def test_seconds_are_read_and_nulls_stay(tmp_path, unit):
    values = [None if v is None else v * UNITS[unit] for v in (90, None, -5, 0)]
    path = written(tmp_path, unit, values)
    assert read(path) == [(90.0, 90.0), (None, None), (-5.0, -5.0), (0.0, 0.0)]
    with open_engine() as engine:
        assert [(c.name, c.type) for c in engine.columns(path)] == [("wait", "float")]


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(["s", "ms", "us"]), st.data())
def test_the_same_duration_is_the_same_number_in_every_finer_unit(engine, unit, data):
    """To the last bit, also where the whole numbers have more digits than a float."""
    most = LONGEST * UNITS[unit]
    value = data.draw(st.integers(-most, most))
    finer = {u: value * n // UNITS[unit] for u, n in UNITS.items() if n >= UNITS[unit]}
    cells = [seconds(f"({n}::bigint)", u) for u, n in finer.items()]
    assert len(set(engine.rows(f"select {', '.join(cells)}")[0])) == 1


def test_half_a_second_and_what_only_nanoseconds_can_say(tmp_path):
    path = written(tmp_path, "ns", [1_500_000_000, 3_141_592_653, -1])
    assert [row[0] for row in read(path)] == [1.5, 3.141592653, -1e-9]


def test_whole_numbers_and_durations_in_lists_stay_what_they_are(tmp_path):
    path = tmp_path / "t.parquet"
    lists = pa.array([[1], [2]], pa.list_(pa.duration("ms")))
    coded = pa.array([1000, 2000], pa.duration("ms")).dictionary_encode()
    pq.write_table(pa.table({"n": [1, 2], "l": lists, "coded": coded}), path)
    with open_engine() as engine:
        types = {c.name: c.type for c in engine.columns(path)}
        assert types == {"n": "integer", "l": None, "coded": "float"}
        relation = engine.typed(path, {"n": "integer", "coded": "float"})
        assert engine.rows(f"select n, coded from {relation}") == [(1, 1.0), (2, 2.0)]


def test_durations_as_anything_but_a_float_are_refused(tmp_path):
    """A contract and a model of the days when they were whole numbers must not be taken on."""
    path = written(tmp_path, "ns", [5, 6])
    with open_engine() as engine, pytest.raises(DataError, match="'wait' holds durations") as e:
        engine.typed(path, {"wait": "integer"})
    assert "type: float" in (e.value.hint or "")


def test_a_chunk_has_durations_again_and_its_relations_have_seconds(tmp_path):
    path = written(tmp_path, "us", [1_000_000, None, 2_500_000])
    with open_engine() as engine:
        seen = []
        for chunk in engine.chunks(path, rows=2):
            assert chunk.schema.field("wait").type == pa.duration("us")
            seen += engine.rows(f"select wait from {engine.typed(path, {'wait': 'float'})}")
    assert seen == [(1.0,), (None,), (2.5,)]
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with open_engine() as engine:
        (empty,) = engine.chunks(path, rows=2)
        assert empty.schema.field("wait").type == pa.duration("us")


@pytest.mark.parametrize("schema", ["EhIS", "EhISE"])
def test_a_broken_schema_that_may_name_durations_is_refused(tmp_path, schema):
    path = tmp_path / "t.parquet"
    with open_engine() as engine:
        said = f"kv_metadata {{'ARROW:schema': '{schema}'}}"
        engine.rows(f"copy (select 1 as n) to '{path}' ({said})")
    with open_engine() as engine, pytest.raises(DataError, match=r"t\.parquet: the Arrow schema"):
        engine.columns(path)


def test_contract_and_project_are_of_seconds_in_every_unit(tmp_path):
    waits = [60 * (i % 2 + 1) for i in range(200)]
    columns = {"x": [float(i % 37) for i in range(200)]}
    contracts = []
    for unit, size in UNITS.items():
        path = written(tmp_path, unit, [w * size for w in waits])
        pq.write_table(pa.table({"wait": pq.read_table(path)["wait"], **columns}), path)
        with open_engine() as engine:
            contracts.append(infer_contract(engine, path)[0])
            study = study_file(engine, path, target="wait", time=None)
        assert study.task == "binary"
        assert study.contract.columns["wait"].type == "float"  # not a whole number, as 0.0 would be
    assert contracts[0].columns["wait"].max == 800
    assert all(c == contracts[0] for c in contracts)
