"""A table that is no longer what its contract says, or what the model takes."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bad_tables import as_csv, columns
from command_line import Done, Mlops
from mlops_cli.stages import stage
from said import check, leftovers

Table = list[list[str]]
TABLE = "data/raw/table.csv"


def _drop(table: Table) -> None:
    for row in table:
        row.pop(0)


def _rename(table: Table) -> None:
    table[0][1] = "price"


def _every(column: int, value: Callable[[int, str], str]) -> Callable[[Table], None]:
    def change(table: Table) -> None:
        for i, row in enumerate(table[1:]):
            row[column] = value(i, row[column])

    return change


def _keep(rows: int) -> Callable[[Table], None]:
    def change(table: Table) -> None:
        del table[rows + 1 :]

    return change


CHANGES: dict[str, Callable[[Table], None]] = {
    "column-gone": _drop,
    "column-renamed": _rename,
    "type-changed": _every(0, lambda i, old: f"w{old}"),
    "three-fractions": _every(0, lambda i, old: f"{old}.5" if 100 <= i < 103 else old),
    "sentinel": _every(1, lambda i, old: "-99999" if i == 7 else old),
    "new-categories": _every(2, lambda i, old: f"c{i}"),
    "target-gone": _every(3, lambda i, old: ""),
    "one-class-left": _every(3, lambda i, old: "1"),
    "no-rows-left": _keep(0),
}
QUARANTINE = "validate: {on_bad_rows: quarantine, max_bad_share: 1}"


def change(project: Path, how: Callable[[Table], None]) -> Path:
    path = project / TABLE
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    how(table)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table)
    return path


def stages(project: Path, mlops: Mlops, *names: str) -> Done:
    """The stages by the door that DVC knocks at, until one says no; how the last one ended."""
    for name in names:
        done = mlops(project, "stage", name, "--revision", stage(name).revision)
        if done.code:
            break
    return done


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_table_is_refused(project: Path, mlops: Mlops, name: str) -> None:
    change(project, CHANGES[name])
    model = (project / "model/manifest.json").read_bytes()
    check(stages(project, mlops, "validate", "featurize"), name)
    assert (project / "model/manifest.json").read_bytes() == model
    assert leftovers(project) == []


def test_mlops_run_ends_with_the_stages_own_code(project: Path, mlops: Mlops) -> None:
    change(project, CHANGES["column-gone"])
    assert mlops(project, "run").code == 3


def test_no_row_is_left_after_quarantine(project: Path, mlops: Mlops) -> None:
    config = project / "mlops.yaml"
    config.write_text(config.read_text().replace("validate: {}", QUARANTINE))
    assert QUARANTINE in config.read_text()
    change(project, CHANGES["new-categories"])
    check(stages(project, mlops, "validate", "featurize"), "quarantined-to-the-last")


SCORED = {
    "score-column-gone": CHANGES["column-gone"],
    "score-type-changed": CHANGES["type-changed"],
    "score-fraction": CHANGES["three-fractions"],
    "score-no-rows": CHANGES["no-rows-left"],
    "score-name-taken": lambda table: table[0].__setitem__(3, "label"),
}


@pytest.mark.parametrize("name", SCORED)
def test_what_the_model_cannot_score(project: Path, mlops: Mlops, name: str) -> None:
    change(project, SCORED[name])
    done = mlops(project, "score", TABLE, "out.csv", "--bundle", "model")
    check(done, name)
    assert (project / "out.csv").exists() == (done.code == 0)
    assert leftovers(project) == []


DRIFTED = {
    "drift-column-gone": CHANGES["column-gone"],
    "drift-few-rows": _keep(10),
    "drift-no-rows": CHANGES["no-rows-left"],
    "drift-type-changed": CHANGES["type-changed"],
}


@pytest.mark.parametrize("name", DRIFTED)
def test_what_drift_says_of_it(project: Path, mlops: Mlops, name: str) -> None:
    change(project, DRIFTED[name])
    check(mlops(project, "drift", "--current", TABLE, "--bundle", "model"), name)


@contextmanager
def touched(path: Path) -> Iterator[None]:
    """Somebody appends to the file as long as this holds."""
    ended = threading.Event()

    def append() -> None:
        while not ended.wait(0.005):
            with path.open("ab") as file:
                file.write(b"1,1.0,x,0\n")

    writer = threading.Thread(target=append)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


@pytest.fixture
def growing(tmp_path: Path) -> Path:
    path = tmp_path / "growing.csv"
    head, *rows = as_csv(columns()).splitlines(keepends=True)
    path.write_text(head + "".join(rows) * 150)
    return path


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("growing-at-init", ("init", "q", "--data", "GROWING", "--target", "y")),
        ("growing-at-score", ("score", "GROWING", "out.parquet", "--bundle", "model")),
    ],
)
def test_a_file_that_grows_while_it_is_read(
    project: Path, mlops: Mlops, growing: Path, name: str, command: tuple[str, ...]
) -> None:
    before = sorted(project.iterdir())
    with touched(growing):
        done = mlops(project, *(str(growing) if c == "GROWING" else c for c in command))
    check(done, name)
    assert sorted(project.iterdir()) == before
