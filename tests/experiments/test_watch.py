"""The new champion against what was recorded of the old one."""

from __future__ import annotations

import pytest

from mlops_cli.config.sections.rollout import WatchConfig
from mlops_cli.experiments.evidence import ArmStep, Moments
from mlops_cli.experiments.judge import Verdict
from mlops_cli.experiments.watch import BeforeAfter, watch
from rollout_worlds import arm, config

RULES = [
    {"metric": "error_rate", "worse_by": 0.005},
    {"metric": "latency_p99", "worse_by": "20%"},
    {"metric": "prediction_mean", "differs_by": 0.05},
    {"metric": "label", "worse_by": 0.02},
]
WATCH = WatchConfig.model_validate({"for": "1d", "rules": RULES})
BEFORE = arm(0, 20_000, 200)


def watched(now: ArmStep, *, losses: tuple[float, float] | None = None) -> Verdict:
    labels = None
    if losses is not None:
        a, b = (Moments(5_000, 5_000 * x, 5_000 * (x**2 + 0.1)) for x in losses)
        labels = a, b
    return watch(BeforeAfter(BEFORE, now, "binary", labels), WATCH, config())


@pytest.mark.parametrize(
    ("now", "losses", "metric", "said"),
    [
        (arm(0, 5_000, 150), None, "error_rate", "error_rate 3 %, before 1 %"),
        (arm(0, 5_000, 50, ms=15), None, "latency_p99", "before"),
        (arm(0, 5_000, 50, mean=0.5), None, "prediction_mean", "0.5, before 0.3, 0.2 more"),
        (arm(0, 5_000, 50), (0.3, 0.5), "label", "label 0.5, before 0.3, 0.2 more"),
    ],
)
def test_what_is_surely_worse_is_rolled_back(
    now: ArmStep, losses: tuple[float, float] | None, metric: str, said: str
) -> None:
    found = watched(now, losses=losses)
    assert (found.action, found.by) == ("rollback", (metric,))
    assert said in found.reasons[0]


def test_the_same_few_requests_and_small_differences_hold() -> None:
    assert watched(arm(0, 5_000, 52), losses=(0.3, 0.31)).action == "none"
    few = watched(arm(0, 100, 90))
    assert few.action == "none"
    assert "500 before and after; there were 20,000 and are 100" in few.reasons[0]
