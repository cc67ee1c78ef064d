"""mlops_cli.load: a model in one's own process gives the numbers that training had."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bundles
import mlops_cli
import projects
from mlops_cli.actions.score import score
from mlops_cli.bundle.manifest import Task
from mlops_cli.config.load import load_project
from mlops_cli.errors import BundleError, DataError, EnvironmentFault, UsageError

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, bundles.Sample]:
    folder = tmp_path_factory.mktemp("bundles")
    return {task: bundles.write(folder / task, task) for task in TASKS}


def as_read(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows as they come back from a CSV file that pandas writes and reads."""
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)))


@pytest.mark.parametrize("task", TASKS)
def test_a_frame_gets_trainings_numbers(samples: dict[Task, bundles.Sample], task: Task) -> None:
    sample = samples[task]
    model = mlops_cli.load(sample.path)
    answers = [bundles.prediction(task, raw) for raw in sample.raw]
    frame = pd.DataFrame(sample.events)
    frame.index = pd.Index(range(500, 500 + len(frame)))
    found = model.predict(frame.assign(note="what the model does not read"))
    assert found.index.equals(frame.index)
    for name, column in found.items():
        _, _, class_ = name.partition("_")
        said = [a["probabilities"][class_] if class_ else a[name] for a in answers]
        assert column.tolist() == said, name
    pd.testing.assert_frame_equal(found, model.predict(sample.events).set_index(frame.index))


def test_every_form_of_a_value_is_the_same_value(samples: dict[Task, bundles.Sample]) -> None:
    sample = samples["binary"]
    model = mlops_cli.load(sample.path)
    events = [e for e in sample.events[3:] if e["day"] and e["at"]]
    wanted = model.predict(events)
    plain = pd.DataFrame(events)
    at = pd.to_datetime(plain["at"])
    forms = {
        "read": as_read(plain),
        "categories": plain.astype({"carrier": "category", "origin": "category"}),
        "nullable": plain.convert_dtypes(),
        "arrow": plain.convert_dtypes(dtype_backend="pyarrow"),
        "moments": plain.assign(at=at, day=pd.to_datetime(plain["day"])),
        "naive": plain.assign(at=at.dt.tz_localize(None)),
        "elsewhere": plain.assign(at=at.dt.tz_convert("Asia/Tokyo")),
        "objects": plain.assign(
            at=[datetime.fromisoformat(e["at"]).astimezone(UTC) for e in events],
            day=[date.fromisoformat(e["day"]) for e in events],
            temp=[t if t is None else Decimal(repr(t)) for t in (e["temp"] for e in events)],
        ),
        "counts": plain.assign(wet=[w if w is None else int(w) for w in plain["wet"]]),
        "floats": plain.assign(distance=plain["distance"].astype(float)),
        "small": plain.assign(distance=plain["distance"].astype(np.int16)),
    }
    for name, frame in forms.items():
        pd.testing.assert_frame_equal(model.predict(frame), wanted, obj=name)
    by_column = {name: plain[name].tolist() for name in plain}
    pd.testing.assert_frame_equal(model.predict(by_column), wanted)
    pd.testing.assert_frame_equal(model.predict(events[0]), wanted[:1])


def test_no_rows_give_no_predictions(samples: dict[Task, bundles.Sample]) -> None:
    for sample in samples.values():
        model = mlops_cli.load(sample.path)
        found = model.predict(pd.DataFrame(sample.events)[:0])
        assert list(found) == list(model.predict(sample.events[:1]))
        assert len(found) == 0


def test_what_the_server_would_refuse_is_told_by_row_and_column(
    samples: dict[Task, bundles.Sample],
) -> None:
    sample = samples["binary"]
    model = mlops_cli.load(sample.path)
    frame = pd.DataFrame(sample.events[3:20])
    half = frame.assign(distance=frame["distance"] + np.where(np.arange(17) == 4, 0.5, 0.0))
    refused = {
        "row 4 (the first is 0), distance: wanted an integer, got a number": half,
        "row 0 (the first is 0), carrier: wanted text, got an integer 3": frame.assign(carrier=3),
        "row 0 (the first is 0), origin must not be null": frame.assign(origin=None),
        "no column `origin`": frame.drop(columns="origin"),
        'did you mean "temp"?': frame.rename(columns={"temp": "Temp"}),
        "no input of the model occurs": frame.rename(columns=str.upper)[["TEMP"]],
        "two columns `temp`": pd.concat([frame, frame[["temp"]]], axis=1),
        "rows that have names, and this is ndarray": frame.to_numpy(),
    }
    for said, rows in refused.items():
        with pytest.raises(DataError) as error:
            model.predict(rows)
        assert said in error.value.message
    optional = frame.drop(columns=["temp", "wet", "day", "at", "carrier"])
    assert len(model.predict(optional)) == len(frame)


@pytest.mark.parametrize("name", ["parcels", "p"])
def test_a_version_is_loaded_by_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = projects.finished(name)
    project = load_project(root)
    table = root / project.config.data.table
    score(project, table, tmp_path / "scored.parquet", bundle=root / "model")
    wanted = pd.read_parquet(tmp_path / "scored.parquet")
    frame = pd.read_csv(table)
    by_folder = mlops_cli.load(root / "model")
    by_name = mlops_cli.load(f"models:/{project.config.project}@champion", project=project)
    for model in (by_folder, by_name):
        found = model.predict(frame)
        pd.testing.assert_frame_equal(found, wanted[list(found)], check_exact=True)
    number = mlops_cli.load(f"models:/{name}/1", project=project)
    assert mlops_cli.load(f"models:/{name}/{number.version}", project=project).digest
    monkeypatch.chdir(root)
    assert mlops_cli.load(f"models:/{name}@champion").digest == number.digest == by_folder.digest


def test_a_version_is_loaded_where_no_project_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = projects.finished("parcels")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no mlops.yaml"):
        mlops_cli.load("models:/parcels@champion")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    found = mlops_cli.load("models:/parcels@champion")
    assert found.digest == mlops_cli.load(root / "model").digest
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    project = load_project(projects.finished("parcels"))
    lacking = {
        "models:/parcels@nobody": "no version or alias nobody of parcels",
        "models:/parcels/99": "no version or alias 99 of parcels",
        "models:/other@champion": "no version or alias champion of other",
    }
    for name, said in lacking.items():
        with pytest.raises(UsageError, match=said):
            mlops_cli.load(name, project=project)
    for name in ("models:/parcels", "models://parcels/1", "models:/parcels/1/x"):
        with pytest.raises(UsageError, match="names no version"):
            mlops_cli.load(name, project=project)
    with pytest.raises(BundleError, match="is not a bundle"):
        mlops_cli.load(tmp_path)
    assert issubclass(BundleError, EnvironmentFault)
