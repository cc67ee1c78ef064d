"""A subject leaves an ingested table: its parts, DVC's versions of them, records set aside."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from command_line import Mlops


def rows(root: Path) -> list[str]:
    parts = sorted((root / "data/raw/events").glob("*.parquet"))
    return [str(name) for part in parts for name in pq.ParquetFile(part).read()["who"].to_pylist()]


def test_rows_leave_every_part_and_the_next_ingest_brings_none_back(
    tmp_path: Path, mlops: Mlops
) -> None:
    root = tmp_path / "p"
    (root / "in").mkdir(parents=True)
    (root / "mlops.yaml").write_text(
        "project: p\ntask: binary\ndata: {table: in, name: events, target: y}\n"
        "features: {columns: [x]}\n"
    )
    for words in (("git", "init", "-q"), ("dvc", "init", "-q")):
        subprocess.run(words, cwd=root, check=True, capture_output=True)
    for name, who in {"a": ["ann-771", "ben-772", "ann-771"], "b": ["cid-773", "ann-771"]}.items():
        columns = {"who": who, "x": [1.0] * len(who), "y": [0] * len(who)}
        pq.write_table(pa.table(columns), root / f"in/{name}.parquet")
    mlops(root, "ingest", code=0)
    (root / "data/rejected").mkdir()
    aside = root / "data/rejected/events.ndjson"
    aside.write_text('{"text": "ann-771;?"}\n{"text": "xann-771x"}\n')
    found = mlops(root, "erase", "--subject", "who=ann-771", "--json", code=0).result
    assert rows(root) == ["ben-772", "cid-773"]
    assert aside.read_text() == '{"text": "xann-771x"}\n'
    places = {place["where"]: place["rows"] for place in found["places"]}
    assert places["data/raw/events"] == 3
    assert places["data/rejected/events.ndjson"] == 1
    assert any("comes again" in rest["why"] for rest in found["left"])
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 0
    assert rows(root) == ["ben-772", "cid-773"]
    held = [f for f in (root / ".dvc/cache").rglob("*") if f.is_file() and f.name[-4:] != ".dir"]
    assert held
    for file in held:
        if file.read_bytes()[:4] == b"PAR1":
            assert "ann-771" not in pq.ParquetFile(file).read()["who"].to_pylist()
    listed = json.dumps([f.read_text() for f in (root / "data/raw").glob("*.dvc")])
    assert ".dir" in listed
