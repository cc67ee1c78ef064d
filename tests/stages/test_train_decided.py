"""train with a calibrator, costs, or an interval: bundle, labels, metrics, and the same twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from learning import make, reconfigure
from mlops_cli.actions.score import score
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import DataError
from mlops_cli.evaluation.metrics import metrics_of
from mlops_cli.evaluation.threshold import Costs, cost_of
from mlops_cli.serving.predictor import Predictor, open_predictor
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.training.data import read_events
from mlops_cli.tuning.oof import OOF, read_oof

COSTS = {"false_positive": 1, "false_negative": 6}


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """A project of each task, whose search is done."""
    found = {}
    for task in ("binary", "multiclass", "regression"):
        found[task] = make(tmp_path_factory.mktemp(task) / "p", task=task, n=500)
        tune(found[task])
    return found


def run(project: Project, **section: Any) -> Predictor:
    """Through tune and train with that section `train`; the bundle, opened."""
    project = reconfigure(project, train=section)
    tune(project)
    train(project)
    return open_predictor(open_bundle(project.root / "model"))


def held_out(project: Project, predictor: Predictor) -> tuple[np.ndarray, np.ndarray]:
    """Target and answered numbers of the hold-out."""
    events = read_events(project.root, project.config)
    part = events.part(predictor.manifest.features, events.split.holdout)
    return part.target, predictor.numbers(part.matrix)


def test_unseen_predictions_are_those_of_the_validation_part_and_come_back_after_a_kill(
    projects: dict[str, Project],
) -> None:
    project = reconfigure(projects["binary"], train={"calibrate": "sigmoid"})
    result = tune(project)
    assert result.resumed == result.trials  # what is decided later is no part of the search
    resumed = (project.root / OOF).read_bytes()
    found, events = read_oof(project.root), read_events(project.root, project.config)
    assert found.rows.tolist() == events.numbers[events.split.validation].tolist()
    scored = metrics_of("binary", events.target[events.split.validation], found.predictions)
    assert scored["roc_auc"] == pytest.approx(result.score)
    for journal in (project.cache / "tune").glob("*/journal.jsonl"):
        journal.unlink()
    assert tune(project).resumed == 0
    assert (project.root / OOF).read_bytes() == resumed


def test_costs_and_a_calibrator_decide_labels_everywhere(projects: dict[str, Project]) -> None:
    project = projects["binary"]
    predictor = run(project, calibrate="isotonic", costs=COSTS)
    threshold = predictor.manifest.threshold
    assert predictor.manifest.format == "2.0"
    assert threshold < 0.5
    events, unseen = read_events(project.root, project.config), read_oof(project.root)
    at = np.searchsorted(events.numbers, unseen.rows)
    answered = np.interp(unseen.predictions, *_table(project.root))
    costs = Costs(1, 6)
    least = min(cost_of(t, events.target[at], answered, costs) for t in [*answered, 1.0])
    assert cost_of(threshold, events.target[at], answered, costs) == pytest.approx(least)
    target, said = held_out(project, predictor)
    recorded = json.loads((project.root / "metrics.json").read_text())["holdout"]
    assert recorded["accuracy"] == pytest.approx(np.mean((said >= threshold) == target))
    assert recorded["accuracy"] != pytest.approx(np.mean((said >= 0.5) == target))
    assert recorded["log_loss"] == pytest.approx(metrics_of("binary", target, said)["log_loss"])
    confusion = (project.root / "reports/plots/confusion.csv").read_text().splitlines()[1:]
    positive = sum(int(line.split(",")[2]) for line in confusion if line.split(",")[1] == "true")
    assert positive == (said >= threshold).sum()


def _table(root: Path) -> tuple[list[float], list[float]]:
    found = json.loads((root / "model/calibration.json").read_text())["calibrator"]
    return found["x"], found["y"]


def test_a_scored_table_has_the_labels_of_the_threshold(
    projects: dict[str, Project], tmp_path: Path
) -> None:
    project = projects["binary"]
    predictor = run(project, costs=COSTS)
    table, out = project.root / project.config.data.table, tmp_path / "scored.parquet"
    score(project, table, out, bundle=project.root / "model")
    scored = pq.read_table(out)
    chance, label = (np.asarray(scored[n]) for n in ("probability", "label"))
    assert ((chance >= predictor.manifest.threshold) == label).all()
    assert ((chance >= 0.5) != label).any()
    assert not (project.root / "model/calibration.json").exists()


@pytest.mark.parametrize("method", ["sigmoid", "temperature"])
def test_what_is_answered_is_what_was_judged(projects: dict[str, Project], method: str) -> None:
    project = projects["binary"]
    predictor = run(project, calibrate=method)
    target, said = held_out(project, predictor)
    recorded = json.loads((project.root / "metrics.json").read_text())["holdout"]
    for name, value in metrics_of("binary", target, said).items():
        assert recorded[name] == pytest.approx(value)
    assert predictor.manifest.threshold == 0.5


def test_several_classes_have_a_temperature(projects: dict[str, Project]) -> None:
    predictor = run(projects["multiclass"], calibrate="temperature")
    target, said = held_out(projects["multiclass"], predictor)
    assert said.sum(axis=1) == pytest.approx(1.0)
    recorded = json.loads((projects["multiclass"].root / "metrics.json").read_text())["holdout"]
    found = metrics_of("multiclass", target, said)
    assert recorded["log_loss"] == pytest.approx(found["log_loss"])


@pytest.mark.parametrize(
    ("section", "level"),
    [
        ({"interval": 0.9}, 0.9),
        ({"quantiles": [0.1, 0.9]}, 0.8),
        ({"quantiles": [0.2, 0.7], "interval": 0.9}, 0.9),
    ],
)
def test_an_interval_is_answered_and_its_coverage_recorded(
    projects: dict[str, Project], tmp_path: Path, section: dict[str, Any], level: float
) -> None:
    project = projects["regression"]
    predictor = run(project, **section)
    assert predictor.manifest.interval == level
    target, said = held_out(project, predictor)
    value, low, high = said.T
    assert (low <= value).all()
    assert (value <= high).all()
    covered = float(np.mean((low <= target) & (target <= high)))
    assert covered > level - 0.12
    recorded = json.loads((project.root / "metrics.json").read_text())["holdout"]
    assert recorded["coverage"] == pytest.approx(covered)
    assert recorded["coverage_low"] < covered < recorded["coverage_high"]
    assert recorded["interval_width"] == pytest.approx(float(np.mean(high - low)))
    assert recorded["rmse"] == pytest.approx(metrics_of("regression", target, value)["rmse"])
    out = tmp_path / "scored.parquet"
    score(project, project.root / project.config.data.table, out, bundle=project.root / "model")
    assert pq.read_schema(out).names[-3:] == ["value", "low", "high"]


def test_the_same_settings_make_the_same_bytes(projects: dict[str, Project]) -> None:
    project = projects["regression"]
    digests = {open_bundle_after(project, quantiles=[0.1, 0.9]) for _ in range(2)}
    assert len(digests) == 1


def open_bundle_after(project: Project, **section: Any) -> str:
    run(project, **section)
    return open_bundle(project.root / "model").digest


def test_nothing_is_written_for_what_is_not_configured(projects: dict[str, Project]) -> None:
    project = projects["binary"]
    predictor = run(project)
    assert predictor.manifest.format == "1.1"
    assert not (project.root / OOF).exists()
    manifest = json.loads((project.root / "model/manifest.json").read_text())
    assert not {"threshold", "interval"} & manifest.keys()


def test_too_few_rows_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    project = make(tmp_path / "p", task="regression", n=30, train={"interval": 0.95})
    tune(project)
    with pytest.raises(DataError, match=r"needs 19 rows .* there are 6"):
        train(project)
    assert not (project.root / "model").exists()


def test_predictions_of_another_table_are_refused(projects: dict[str, Project]) -> None:
    project = reconfigure(projects["binary"], train={"calibrate": "sigmoid"})
    tune(project)
    table = pq.read_table(project.root / OOF)
    shifted = table.set_column(0, "row", [np.asarray(table["row"]) + 10_000])
    pq.write_table(shifted, project.root / OOF)
    with pytest.raises(DataError, match="rows that the table does not have"):
        train(project)
