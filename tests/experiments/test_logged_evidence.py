"""What the judge reads of the log: losses by arm, failures as the worst, keys as units."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlops_cli.bundle.manifest import Feature, Input, Manifest, Target, Task
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.experiments.evidence import Evidence, LoggedArm, Moments
from mlops_cli.experiments.judge import judge
from mlops_cli.experiments.logged_evidence import WORST, check_log, needs_log, read_logged
from mlops_cli.monitoring.collected.recorded import (
    LABEL_SCHEMA,
    PREDICTION_SCHEMA,
    recorded_labels,
    recorded_predictions,
)
from rollout_worlds import arm, config, stage

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
LABEL = {"metric": "label", "worse_by": 0.01}
CLASSES: dict[Task, Any] = {
    "binary": (False, True),
    "multiclass": ("a", "b", "c"),
    "regression": None,
}


def manifest(task: Task) -> Manifest:
    inputs = (
        Input("who", "text", True, None, "event"),
        Input("n", "float", True, None, "event"),
    )
    features = (Feature("n", "numeric"),)
    target = Target("y")
    return Manifest(
        "1.1", "p", task, target, CLASSES[task], "xgboost", inputs, features, "3.11", {}, {}
    )


def project(root: Path, **sections: Any) -> Project:
    data = {"table": "t.csv", "target": "y"}
    raw = {"project": "p", "task": "binary", "data": data, **sections}
    return Project(root, check_config(raw, file="mlops.yaml"))


def line(request: str, arm: str | None, said: Any, *, step: int = 0, **more: Any) -> dict[str, Any]:
    """A row of the log; `said` None is a failure."""
    return {
        "time": NOW,
        "request_id": request,
        "row": 0,
        "version": "0" * 12,
        "variant": "champion",
        "inputs": json.dumps(more.pop("inputs", {"who": request})),
        "prediction": json.dumps(said) if said is not None else None,
        "error": None if said is not None else "ValueError",
        "ms": 1.0,
        "rollout": "salt" if arm else None,
        "step": step if arm else None,
        "arm": arm,
        "segment": "s1",
        **more,
    }


def record(root: Path, lines: list[dict[str, Any]], labels: dict[str, Any]) -> None:
    def table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
        return pa.Table.from_pylist([{n: r.get(n) for n in schema.names} for r in rows], schema)

    recorded_predictions(root).add(table(lines, PREDICTION_SCHEMA))
    told = [
        {"time": NOW, "request_id": k, "label": v, "received": NOW, "segment": "l1"}
        for k, v in labels.items()
    ]
    if told:
        recorded_labels(root).add(table(told, LABEL_SCHEMA))


def read(root: Path, settings: Any, task: Task = "binary", **more: Any) -> dict[Any, LoggedArm]:
    evidence = more.pop("evidence", Evidence((), ()))
    found = read_logged(
        project(root), "salt", settings, manifest(task), evidence=evidence, step=0, **more
    )
    return {(each.step, each.arm): each for each in found}


def p(probability: float) -> dict[str, Any]:
    return {"probability": probability, "label": probability >= 0.5}


def test_the_log_loss_is_clipped_and_a_failure_is_the_worst(tmp_path: Path) -> None:
    lines = [
        line("a", "champion", p(0.8)),
        line("b", "champion", p(0.0)),
        line("c", "candidate", p(0.4)),
        line("d", "candidate", None),
        line("d", None, p(0.9)),  # the champion's answer in its place counts for nobody
        line("e", "candidate", p(0.4), step=1),
        line("f", "candidate", p(0.4)),  # no label has come
        line("g", "candidate", p(0.4), rollout="another"),
    ]
    record(tmp_path, lines, dict.fromkeys("abcdeg", "true"))
    found = read(tmp_path, config(LABEL, max_time="30d"))
    champion = found[0, "champion"].metrics["label"]
    assert champion.sum == pytest.approx(-math.log(0.8) - math.log(0.001))
    candidate = found[0, "candidate"]
    assert (candidate.units, candidate.labels) == (3, 2)
    assert candidate.metrics["label"].sum == pytest.approx(-math.log(0.4) + WORST)
    assert candidate.metrics["label"].squares == pytest.approx(math.log(0.4) ** 2 + WORST**2)
    assert found[1, "candidate"].labels == 1


def test_classes_and_values_have_their_own_losses(tmp_path: Path) -> None:
    three = {"label": "a", "probabilities": {"a": 0.7, "b": 0.2, "c": 0.1}}
    lines = [
        line("a", "champion", three),
        line("b", "candidate", three),
        line("c", "champion", three),
    ]
    record(tmp_path / "m", lines, {"a": "a", "b": "c", "c": "no such class"})
    found = read(tmp_path / "m", config(LABEL, max_time="30d"), "multiclass")
    assert found[0, "champion"].metrics["label"] == Moments(
        1, pytest.approx(-math.log(0.7)), pytest.approx(math.log(0.7) ** 2)
    )
    assert found[0, "candidate"].metrics["label"].sum == pytest.approx(-math.log(0.1))
    lines = [
        line("a", "champion", {"value": 10.0}),
        line("b", "candidate", {"value": 12.0}),
        line("c", "candidate", None),
    ]
    record(tmp_path / "r", lines, {"a": "13", "b": "13", "c": "13"})
    found = read(tmp_path / "r", config(LABEL, max_time="30d"), "regression")
    assert found[0, "candidate"].metrics["label"].sum == pytest.approx(1 + 3)


def test_a_requests_rows_are_one_unit_and_the_last_label_counts(tmp_path: Path) -> None:
    lines = [line("a", "champion", p(0.8)), line("a", "champion", p(0.4), row=1)]
    record(tmp_path, lines, {"a": "true"})
    found = read(tmp_path, config(LABEL, max_time="30d"))[0, "champion"]
    assert (found.units, found.labels, found.metrics["label"].count) == (1, 2, 1)
    mean = -(math.log(0.8) + math.log(0.4)) / 2
    assert found.metrics["label"].sum == pytest.approx(mean)


def test_with_sticky_each_key_counts_once_whatever_its_requests(tmp_path: Path) -> None:
    lines = [
        line(f"a{i}", "champion", p(0.2), inputs={"who": "x", "n": 3 if i % 2 else 3.0}, ms=9.0)
        for i in range(50)
    ]
    lines += [line("b", "champion", p(0.6), inputs={"who": "y", "n": 1})]
    lines += [line("c", "champion", None, inputs={"who": "z"})]
    record(tmp_path, lines, {})
    settings = config(
        {"metric": "error_rate", "worse_by": 0.01},
        {"metric": "prediction_mean", "differs_by": 0.1},
        {"metric": "latency_p99", "worse_by": "20%"},
        sticky=["who", "n"],
    )
    tallies = Evidence((arm(0, 5_000, ms=1.0),), ())
    found = read(tmp_path, settings, evidence=tallies)[0, "champion"]
    assert found.units == 3
    assert found.metrics["error_rate"] == Moments(3, 1.0, 1.0)
    assert found.metrics["prediction_mean"].sum == pytest.approx(0.8)
    assert found.metrics["latency_p99"] == Moments(2, 1.0, 1.0)


def test_nothing_collected_and_days_before_the_rollout_are_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, config(LABEL, max_time="30d")) == {}
    record(tmp_path, [line("a", "champion", p(0.8))], {"a": "true"})
    later = NOW + timedelta(days=2)
    assert read(tmp_path, config(LABEL, max_time="30d"), since=later) == {}
    midnight = datetime.combine(NOW.date() + timedelta(days=1), time.min, UTC)
    of_a_clock_behind = midnight + timedelta(minutes=20)
    assert read(tmp_path, config(LABEL, max_time="30d"), since=of_a_clock_behind) != {}


def test_labels_withdraw_a_candidate_and_few_wait() -> None:
    settings = config(LABEL, min_requests=300, max_time="30d")
    cells = Evidence((arm(0, 2_000),), (arm(0, 2_000),))
    at = stage(0, 50)

    def logged(arm: Any, n: int, loss: float) -> LoggedArm:
        return LoggedArm(0, arm, n, n, {"label": Moments(n, loss * n, (loss**2 + 0.05) * n)})

    def verdict(n: int, loss: float) -> Any:
        arms = logged("champion", n, 0.30), logged("candidate", n, loss)
        return judge(Evidence(cells.champion, cells.candidate, logged=arms), settings, at)

    worse = verdict(2_000, 0.40)
    assert (worse.verdict, worse.by) == ("rollback", ("label",))
    assert "label: candidate 0.4, champion 0.3: 0.1 more" in worse.reasons[0]
    assert worse.arms["candidate"].labels == 2_000
    assert verdict(2_000, 0.30).verdict == "advance"
    few = verdict(200, 0.90)
    assert few.verdict == "hold"
    assert "there have to be 300 requests with a label of each arm" in few.reasons[0]


def test_with_sticky_the_sample_ratio_is_of_keys_and_thirty_are_asked() -> None:
    settings = config({"metric": "error_rate", "worse_by": 0.01}, sticky=["who"], min_requests=100)
    cells = Evidence((arm(0, 9_000),), (arm(0, 9_000),))  # a heavy key: half of all, at 10 %
    at = stage(0, 10)

    def verdict(champion: int, candidate: int) -> Any:
        arms = [
            LoggedArm(0, name, n, 0, {"error_rate": Moments(n, 0.02 * n, 0.002 * n)})
            for name, n in (("champion", champion), ("candidate", candidate))
        ]
        logged = tuple(arms)
        return judge(Evidence(cells.champion, cells.candidate, logged=logged), settings, at)

    assert verdict(450, 50).verdict == "advance"
    few = verdict(225, 25)
    assert few.verdict == "hold"
    assert "there have to be 30 keys of each arm; the log has 25" in few.reasons[0]
    mismatch = verdict(2_000, 600)
    assert (mismatch.verdict, mismatch.by) == ("pause", ("sample_ratio",))
    assert "of 2,600 keys" in mismatch.reasons[0]


def test_a_log_that_would_not_hold_the_keys_is_refused(tmp_path: Path) -> None:
    sticky = config(sticky=["who"])
    assert needs_log(sticky)
    assert not needs_log(config())
    check_log(project(tmp_path), sticky)
    check_log(project(tmp_path, serve={"log": None}), config())
    with pytest.raises(UsageError, match=r"serve\.log is null"):
        check_log(project(tmp_path, serve={"log": None}), sticky)
    for log in ({"leave_out": ["who"]}, {"columns": ["n"]}):
        with pytest.raises(UsageError, match="leaves out 'who'"):
            check_log(project(tmp_path, serve={"log": log}), sticky)
    check_log(project(tmp_path, serve={"log": {"hash": ["who"]}}), sticky)
