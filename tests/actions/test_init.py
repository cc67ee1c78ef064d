"""`mlops init`: a project from a data file, whole or not at all."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from mlops_cli.actions.init import init
from mlops_cli.config.load import load_project
from mlops_cli.errors import DataError, MlopsError, UsageError
from mlops_cli.stages import STAGES
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.validate import validate
from trips import LATE, LEAKS, ROWS, columns, git, made, trips

pytestmark = pytest.mark.usefixtures("no_git_identity")


def test_the_configuration_has_every_section_and_no_default(tmp_path: Path) -> None:
    made(tmp_path / "p", trips(tmp_path)[0])
    text = (tmp_path / "p/mlops.yaml").read_text()
    for section in {key for stage in STAGES for key in stage.params}:
        assert re.search(rf"^{section}:", text, re.M), section
    for section in ("split", "tune", "train", "register", "package", "deploy", "drift"):
        assert re.search(rf"^{section}: {{}}", text, re.M)


@pytest.mark.parametrize("rename", [False, True])
def test_leaks_stay_out_whatever_they_are_called(tmp_path: Path, rename: bool) -> None:
    data, names = trips(tmp_path, rename=rename)
    result = made(tmp_path / "p", data, target=f"late = {names['arr']} > 15")
    outside = set(names.values()) - set(result.features)
    assert {names[n] for n in LEAKS} <= outside
    assert names["number"] in outside  # names a row
    assert names["same"] in outside  # says nothing
    assert {names["company"], names["distance"]} <= set(result.features)
    text = (tmp_path / "p/mlops.yaml").read_text()
    for name in outside:
        assert re.search(rf"^  #   {name}: \w+", text, re.M), f"no reason for {name}"


def test_what_adds_up_to_the_target_stays_out(tmp_path: Path) -> None:
    cells = {n: c for n, c in columns().items() if n in ("company", "distance", "taxi")}
    other = [(i * 29) % 100 for i in range(ROWS)]
    cells |= {
        "other": other,
        "total": [t + 2 * o for t, o in zip(cells["taxi"], other, strict=True)],
    }  # type: ignore[operator]  # numbers
    pq.write_table(pa.table(cells), tmp_path / "bill.parquet")
    result = made(tmp_path / "p", tmp_path / "bill.parquet", target="total")
    assert result.task == "regression"
    assert set(result.features) == {"company", "distance"}


@pytest.mark.parametrize("suffix", ["parquet", pytest.param("csv", marks=pytest.mark.slow)])
def test_the_generated_test_fails_when_a_feature_is_broken(tmp_path: Path, suffix: str) -> None:
    made(tmp_path / "p", trips(tmp_path, suffix=suffix)[0])
    root = tmp_path / "p"
    config = root / "mlops.yaml"
    config.write_text(re.sub("(  row:.*\n)", r"\1    far: distance > 500\n", config.read_text()))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], cwd=root, capture_output=True, text=True, check=False
        )

    test = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert run(*test).returncode == 1  # there is one feature more
    assert run("tests/test_project.py").returncode == 0  # on purpose
    assert run(*test).returncode == 0
    config.write_text(config.read_text().replace("distance > 500", "distance > 100"))
    broken = run(*test)
    assert broken.returncode == 1
    assert "feature far" in broken.stdout


def test_the_request_is_a_row_with_every_input(tmp_path: Path) -> None:
    result = made(tmp_path / "p", trips(tmp_path)[0])
    request = json.loads((tmp_path / "p/examples/request.json").read_text())
    parts = ["made_weekday", "made_hour"]
    assert [*request, *parts] == [*result.features[:-2], "made", *parts]
    assert None not in request.values()


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"target": "arrr"}, UsageError, r"target 'arrr' is no column .*nearest is 'arr'"),
        ({"target": "late = arr >"}, UsageError, "expression of the target 'late'"),
        ({"target": "late = avg(arr) > 1"}, UsageError, "aggregates"),
        ({"target": "taxi = arr > 1"}, UsageError, "a column has that name"),
        ({"target": "same"}, DataError, "one value only"),
        ({"target": "made"}, UsageError, "is a timestamp"),
        ({"time": "mad"}, UsageError, "time 'mad'.*nearest is 'made'"),
        ({"time": "company"}, DataError, "'company'.*not ISO 8601"),
    ],
)
def test_what_is_asked_wrongly_leaves_nothing_behind(
    tmp_path: Path, options: dict[str, str], error: type[MlopsError], says: str
) -> None:
    data, _ = trips(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(error, match=says):
        made(tmp_path / "p", data, **options)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_failure_half_way_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = trips(tmp_path)

    def stumble(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlops_cli.actions.init.write_dvc_yaml", stumble)
    with pytest.raises(KeyboardInterrupt):
        init(tmp_path / "p", data=data, target=LATE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "trips.parquet"]


def test_a_folder_in_use_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    data, _ = trips(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        made(tmp_path / "p", tmp_path / "none.csv")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "x").write_text("1")
    with pytest.raises(UsageError, match="not empty"):
        made(tmp_path / "p", data)
    assert (tmp_path / "p" / "x").read_text() == "1"


@pytest.mark.parametrize("gone", [(), ("mlops.yaml", "tests", ".github"), (".git", "data")])
def test_an_init_that_was_killed_may_be_repeated(tmp_path: Path, gone: tuple[str, ...]) -> None:
    data, _ = trips(tmp_path)
    root = tmp_path / "p"
    first = made(root, data)
    for name in gone:  # they are moved one by one into a folder that was there
        shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()
    assert made(root, data) == first
    assert git(root, "status", "--porcelain") == ""
    assert len(git(root, "log", "--oneline").splitlines()) == 1


@pytest.mark.parametrize("name", ["mlops.yaml", ".gitignore", "data/raw/trips.parquet", "new"])
def test_what_was_changed_since_is_not_lost(tmp_path: Path, name: str) -> None:
    data, _ = trips(tmp_path)
    made(tmp_path / "p", data)
    with (tmp_path / "p" / name).open("a") as file:
        file.write("# mine\n")
    content = (tmp_path / "p" / name).read_bytes()
    with pytest.raises(UsageError, match="is a project already"):
        made(tmp_path / "p", data)
    assert (tmp_path / "p" / name).read_bytes() == content


@pytest.mark.parametrize("name", ["${HOME}.parquet", "${{ github.token }}.parquet", "a\nb.parquet"])
def test_a_file_whose_name_no_configuration_may_hold_is_refused(tmp_path: Path, name: str) -> None:
    data, _ = trips(tmp_path)
    with pytest.raises(UsageError, match=r"cannot stand as `data\.table`") as refused:
        made(tmp_path / "p", data.rename(tmp_path / name))
    assert "\n" not in refused.value.message
    assert not (tmp_path / "p").exists()


def test_names_that_yaml_sql_and_csv_stumble_over(tmp_path: Path) -> None:
    names = ["select", "größe in m", 'b "q"', "c: d #e", "y", "null"]
    with (tmp_path / "odd.csv").open("w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(names)
        for i in range(300):
            writer.writerow([i % 7, i % 11 / 10, "abc"[i % 3], i % 5, int(i * 31 % 13 > 6), i % 4])
    result = made(tmp_path / "p", tmp_path / "odd.csv", target="y")
    assert set(result.features) == set(names) - {"y"}
    assert load_project(tmp_path / "p").config.features.columns == result.features


def test_the_only_time_is_found_without_being_named(tmp_path: Path) -> None:
    result = made(tmp_path / "p", trips(tmp_path)[0])
    assert result.time == "made"
    assert any(g.what == "time" and "only column" in g.why for g in result.guesses)


def test_a_target_of_amounts_is_told_and_plain_ones_can_be_read(tmp_path: Path) -> None:
    """Few amounts are classes, with a warning; many are no classes: what to do is said."""
    rows = range(600)
    table = {"x": [float(i % 83) for i in rows], "paid": [f"{i % 300}.50" for i in rows]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    with pytest.raises(UsageError, match=r"look like numbers, such as '99\.50'"):
        made(tmp_path / "p", tmp_path / "t.parquet", target="paid")
    result = made(tmp_path / "p", tmp_path / "t.parquet", target="sum = cast(paid as double)")
    assert result.task == "regression"
    table["paid"] = [f"${i % 3}.50" for i in rows]
    pq.write_table(pa.table(table), tmp_path / "few.parquet")
    result = made(tmp_path / "q", tmp_path / "few.parquet", target="paid")
    assert result.task == "multiclass"
    assert any("paid is text, though" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("column", "labels", "positive", "turned"),
    [
        ("cls", ("fraud", "legit"), "legit", "fraud = cls = 'fraud'"),
        ("case", ('a"b', "it's"), "it's", 'positive = "case" = \'a"b\''),
        ("n", (-1, 1), "1", "positive = n = -1"),
        ("n", (0.0, 1.0), "1", None),
        ("late", (False, True), "true", None),
    ],
)
def test_the_class_that_probability_is_of_is_named_and_can_be_turned(
    tmp_path: Path, column: str, labels: tuple[object, object], positive: str, turned: str | None
) -> None:
    values = [labels[i % 3 == 0] for i in range(90)]
    pq.write_table(
        pa.table({"x": [i / 7 for i in range(90)], column: values}), tmp_path / "t.parquet"
    )
    made = init(tmp_path / "p", data=tmp_path / "t.parquet", target=column, git=False)
    (said,) = (g for g in made.guesses if g.what == "positive")
    assert said.value == positive
    file = tmp_path / "p/mlops.yaml"
    assert f"  # positive: {positive}, {said.why}\n" in file.read_text(encoding="utf-8")
    project = load_project(tmp_path / "p")
    validate(project)
    assert featurize(project).classes == labels
    assert (json.dumps(turned) in said.why) if turned else ("target" not in said.why)
    if turned:
        text = re.sub(
            r"(?m)^  target: .*$", lambda _: f"  target: {json.dumps(turned)}", file.read_text()
        )
        file.write_text(text, encoding="utf-8")
        assert featurize(load_project(tmp_path / "p")).classes == (False, True)
        made_of = pq.read_table(tmp_path / "p/data/features.parquet")["__target__"].to_pylist()
        assert made_of == [value == labels[0] for value in values]
