"""`mlops labels add`: from a file, by request id or by `data.id`; all are kept."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import bundles
from mlops_cli import collect, labels, load_project
from mlops_cli.actions.labels import LabelsResult
from mlops_cli.errors import DataError
from mlops_cli.monitoring.collected.recorded import Recorded
from traffic import LINE

CONFIG = """project: p
task: binary
data: {table: t.csv, target: y, id: {subject: [customer], event: [order]}}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.write(tmp_path_factory.mktemp("labels") / "model").path


@pytest.fixture
def root(tmp_path: Path, model: Path) -> Path:
    """A project that has collected r1 (two rows), r2 twice (a client's own id), and r3."""
    root = tmp_path / "p"
    root.mkdir()
    (root / "mlops.yaml").write_text(CONFIG)
    (root / "model").symlink_to(model)
    lines = [
        LINE,
        LINE | {"row": 1},
        LINE | {"request_id": "r2"},
        LINE | {"request_id": "r2", "time": "2026-03-02T10:00:00Z"},
        LINE | {"request_id": "r3", "id": {"customer": "c1", "order": 7}},
    ]
    for i, line in enumerate(lines):
        file = tmp_path / f"s{i}.ndjson"
        file.write_text(json.dumps(line) + "\n")
        collect(load_project(root), files=[file])
    return root


def _add(root: Path, text: str, name: str = "labels.csv") -> LabelsResult:
    file = root / name
    file.write_text(text)
    return labels(load_project(root), "add", file)


def _kept(root: Path, columns: str = "request_id, row, label") -> list[Any]:
    sql = f"select {columns} from read_parquet('{root}/monitoring/labels/date=*/*.parquet')"
    return duckdb.execute(f"{sql} order by all").fetchall()


def test_a_label_goes_to_every_row_of_its_id_or_to_the_one_it_names(root: Path) -> None:
    assert _add(root, "request_id,label\nr1,true\nr2,False\n") == LabelsResult(2, 2, 4, 0)
    found = _add(root, "request_id,label,row\nr1,0,1\nnobody,1,0\n", "more.csv")
    assert found == LabelsResult(2, 2, 1, 1)
    assert _kept(root) == [
        ("nobody", 0, "true"),
        ("r1", 1, "false"),
        ("r1", None, "true"),
        ("r2", None, "false"),
    ]


def test_late_corrected_and_repeated_labels_are_all_kept_and_a_file_counts_once(
    root: Path,
) -> None:
    text = "request_id,label,time\nr1,true,2026-03-05\nr1,false,2026-04-05T10:00:00+02:00\n"
    assert _add(root, text).added == 2
    assert _add(root, text, "copy.csv").added == 0
    assert _kept(root, "label, time") == [
        ("false", datetime(2026, 4, 5, 8)),
        ("true", datetime(2026, 3, 5)),
    ]
    assert _add(root, "request_id,label\nr3,1\n", "now.csv").added == 1
    assert _add(root, "request_id,label\nr3,1\n", "again.csv").added == 0


def test_the_columns_of_an_identity_stand_for_the_request(root: Path) -> None:
    found = _add(root, "customer,order,label\nc1,7,1\nc1,8,1\n")
    assert found == LabelsResult(2, 2, 1, 1)


def test_a_parquet_file_is_one_too(root: Path) -> None:
    file = root / "labels.parquet"
    duckdb.execute(f"copy (select 'r3' as request_id, true as label, 0 as row) to '{file}'")
    assert labels(load_project(root), "add", file) == LabelsResult(1, 1, 1, 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("request_id,outcome\nr1,1\n", "no column `label`"),
        ("id,label\nr1,1\n", "no column `request_id` nor all of data.id (customer, order)"),
        ("customer,label\nc1,1\n", "no column `request_id` nor all of data.id"),
        ("request_id,label\nr1,1\nr2,7\n", "row 2: '7' is none of the classes"),
        ("request_id,label\nr1,1\n,1\n", "row 2: `request_id` is missing"),
        ("request_id,label\nr1,\n", "row 1: `label` is missing"),
        ("request_id,label,row\nr1,1,first\n", "row 1: `row` is 'first'"),
        ("request_id,label,row\nr1,1,-1\n", "row 1: `row` is less than 0"),
        ("request_id,label,row\nr1,1,2147483648\n", "row 1: `row` is 2147483648: no request has"),
        ("request_id,label,time\nr1,1,soon\n", "row 1: `time` is 'soon'"),
        ("request_id,label,time\nr1,1,2999-01-01T00:00:00Z\n", "row 1: `time` is to come"),
    ],
)
def test_what_is_no_label_is_named_and_nothing_is_written(root: Path, text: str, says: str) -> None:
    with pytest.raises(DataError) as refused:
        _add(root, text)
    assert says in refused.value.message
    assert not (root / "monitoring/labels").exists()


def test_an_identity_that_the_log_does_not_hold_as_it_is_names_no_row(root: Path) -> None:
    with (root / "mlops.yaml").open("a") as file:
        file.write("serve: {log: {hash: [customer]}}\n")
    with pytest.raises(DataError, match=r"no column `request_id`$"):
        _add(root, "customer,order,label\nc1,7,1\n")


def test_without_predictions_labels_wait(root: Path, tmp_path: Path, model: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mlops.yaml").write_text(CONFIG)
    (other / "model").symlink_to(model)
    assert _add(other, "request_id,label\nr1,1\n") == LabelsResult(1, 1, 0, 1)


def test_labels_have_the_decimal_comma_of_their_table(tmp_path: Path) -> None:
    root = tmp_path / "p"
    (root / "contracts").mkdir(parents=True)
    (root / "mlops.yaml").write_text(CONFIG.replace("binary", "regression"))
    (root / "contracts" / "t.yaml").write_text(
        "columns: {y: {type: float, format: decimal_comma}}\n"
    )
    bundles.write(root / "model", task="regression")
    _add(root, "request_id;label\nr1;1.234,5\nr2;7\n")
    assert _kept(root) == [("r1", None, "1234.5"), ("r2", None, "7.0")]
    with pytest.raises(DataError, match=r"row 2: `label` is '12\.5', which is none"):
        _add(root, "request_id;label\nr1;1,5\nr2;12.5\n", "more.csv")


def test_labels_of_several_days_stand_under_their_days_and_a_part_that_came_is_not_there_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "request_id,label,time\n" + "".join(
        f"r{i},{i % 2},2026-03-0{1 + i % 3}T00:00:00Z\n" for i in range(9)
    )
    add_segment = Recorded.add_segment

    def dies(store: Recorded, segment: str, day: date, rows: Iterable[pa.RecordBatch]) -> int:
        if day.day == 3:
            raise KeyboardInterrupt
        return add_segment(store, segment, day, rows)

    with monkeypatch.context() as patched:
        patched.setattr(Recorded, "add_segment", dies)
        with pytest.raises(KeyboardInterrupt):
            _add(root, text)
    assert len(_kept(root)) == 6
    assert _add(root, text).added == 3
    order = (0, 3, 6, 1, 4, 7, 2, 5, 8)
    assert _kept(root, "day(time), request_id") == [(1 + i % 3, f"r{i}") for i in order]
    assert not [*(root / ".mlops").glob(".labels*")]


def _many(file: Path, rows: int, label: str = "i % 2") -> Path:
    sql = f"select 'r' || i as request_id, ({label})::varchar as label from range({rows}) t(i)"
    duckdb.execute(f"copy ({sql}) to '{file}'")
    return file


def test_of_many_rows_the_first_at_fault_is_named(root: Path) -> None:
    file = _many(root / "many.parquet", 400_000, "if(i in (299999, 399999), 7, 1)")
    with pytest.raises(DataError, match=r"row 300000: '7' is none of the classes"):
        labels(load_project(root), "add", file)


_PEAK = """
import resource, sys
from pathlib import Path
from mlops_cli import labels, load_project
found = labels(load_project(Path(sys.argv[1])), "add", Path(sys.argv[2]))
print(found.added, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_labels_are_added_in_bounded_memory(root: Path) -> None:
    peaks = []
    for rows in (200_000, 3_000_000):
        file = _many(root / f"{rows}.parquet", rows)
        command = [sys.executable, "-c", _PEAK, str(root), str(file)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        added, peak = map(int, said.split())
        assert added == rows
        peaks.append(peak)
    assert peaks[1] < 1.5 * peaks[0]
