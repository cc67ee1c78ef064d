"""The grammar of conditions: what is taken, what is refused and how that is told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mlops_cli.config.conditions import KNOWN, metrics_of, parse_condition
from mlops_cli.config.load import check_config
from mlops_cli.config.metrics import METRICS
from mlops_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "beyond", "within", "baseline"),
    [
        ("drift", 1, 0, None),
        ("concept_drift", 1, 0, None),
        ("latency_p99 > 200ms", 201, 200, None),
        ("latency_p99>=0.2s", 200, 199, None),
        ("null_rate > 5%", 0.051, 0.05, None),
        ("null_rate > 0.05", 0.051, 0.05, None),
        ("accuracy < 80%", 0.79, 0.8, None),
        ("volume < 1000", 999, 1000, None),
        ("volume < baseline - 50%", 499, 500, 1000),
        ("roc_auc < baseline - 5%", 0.759, 0.761, 0.8),
        ("roc_auc < baseline - 0.05", 0.749, 0.751, 0.8),
        ("roc_auc < baseline", 0.79, 0.8, 0.8),
        ("log_loss > baseline + 10%", 0.56, 0.54, 0.5),
        ("r2 < baseline - 10%", -0.56, -0.54, -0.5),
        ("estimated_roc_auc < baseline - 5%", 0.759, 0.761, 0.8),
    ],
)
def test_a_condition_holds_beyond_its_bound_and_not_within(
    text: str, beyond: float, within: float, baseline: float | None
) -> None:
    condition = parse_condition(text)
    threshold = condition.threshold(baseline)
    assert threshold is not None
    assert condition.holds(beyond, threshold)
    assert not condition.holds(within, threshold)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latncy_p99 > 200ms", "did you mean latency_p99?"),
        ("auc < 0.8", "did you mean roc_auc?"),
        ("colour > 1", "known: drift"),
        ("latency_p99 > 200", "`latency_p99 > 200ms`"),
        ("latency_p99 > 5%", "`latency_p99 > 200ms`"),
        ("null_rate > 5", "write 5%"),
        ("error_rate > 10ms", "no unit ms"),
        ("volume > 5%", "no unit %"),
        ("rmse > 5%", "`rmse < baseline - 5%`"),
        ("drift > 1", "`drift` alone"),
        ("null_rate", "`null_rate > 5%`"),
        ("null_rate > 5% and drift", "is no condition"),
        ("__import__('os')", "is no condition"),
        ("null_rate > nan", "is no condition"),
        ("null_rate == 5%", "is no condition"),
        ("", "is no condition"),
    ],
)
def test_what_is_no_condition_is_told_with_the_way_out(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_condition(text)


def config(**monitor: Any) -> None:
    data = {"table": "data/raw/a.parquet", "target": "y"}
    raw = {"project": "p", "task": "binary", "data": data, "monitor": monitor}
    check_config(raw, file="mlops.yaml")


@pytest.mark.parametrize(
    ("monitor", "said"),
    [
        ({"alerts": [{"when": "drift"}, {"when": "latncy_p99 > 1s"}]}, "`monitor.alerts.1.when`"),
        ({"alerts": [{"when": "rmse > 2"}]}, "monitor.alerts.0.when, task binary"),
        ({"alerts": [{"when": "drift"}, {"when": " drift "}]}, "stands there twice"),
        ({"alerts": [{"whn": "drift"}]}, "the nearest known key is `when`"),
        ({"alerts": [{"when": "drift", "for": "soon"}]}, "`monitor.alerts.0.for`"),
        ({"sinks": [{"slak": "${X}"}]}, "the nearest known key is `slack`"),
        ({"sinks": [{"email": ["a@b.org"]}]}, "`monitor.sinks.0.smtp` is missing"),
        ({"sinks": [{"pagerduty": "R0UT1NGK3Y"}]}, "monitor.sinks.0"),
    ],
)
def test_the_configuration_names_the_key_that_is_wrong(monitor: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        config(**monitor)
    assert said in caught.value.message


@pytest.mark.parametrize("task", METRICS)
def test_every_metric_of_a_task_can_be_a_condition(task: str) -> None:
    assert set(metrics_of(task)) <= set(KNOWN)
    assert set(METRICS[task]) <= set(metrics_of(task))
