"""How often chance misleads the judge, and how soon it finds what is worse: by simulation."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from mlops_cli.config.sections.rollout import RolloutConfig
from mlops_cli.experiments.judge import judge
from rollout_simulation import Runs
from rollout_worlds import config, stage

ALL = (
    {"metric": "error_rate", "worse_by": 0.0001},  # margins so small that bounds alone decide
    {"metric": "latency_p50", "worse_by": "0.1%"},
    {"metric": "latency_p99", "worse_by": "0.1%"},
    {"metric": "prediction_mean", "differs_by": 0.0001},
    {"metric": "label", "worse_by": 0.0001},
)
ALPHA = 0.05


def told(figures: str) -> None:
    """For `pytest -s`."""
    sys.stdout.write(f"\n{figures}")


def always(*steps: float) -> RolloutConfig:
    return config(*ALL, strategy="ab", steps=list(steps), max_time="30d")


def some(found: dict[str, np.ndarray], *names: str) -> np.ndarray:
    """In which runs one of these rules ended it."""
    return np.isfinite(np.min([found[name] for name in names], axis=0))


RULES = [str(rule["metric"]) for rule in ALL]


def equal(settings: RolloutConfig, runs: int, looks: int, requests: int, **more: object) -> Runs:
    found = Runs(settings, runs, **more)  # type: ignore[arg-type]
    for _ in range(looks):
        found.look(requests)
    return found


@pytest.mark.parametrize("paired", [False, True])
def test_what_is_simulated_is_what_the_judge_does(paired: bool) -> None:
    settings = config(*ALL, steps=[5, 25, 50], max_time="30d", hold="0s")
    runs = Runs(settings, 12, rates=(0.02, 0.04), goes_on=False, paired=paired)
    for _ in range(6):
        runs.look(6_000)
        for run in range(12):
            ended = [name for name in RULES if np.isfinite(runs.ended[name][run])]
            found = judge(runs.evidence(run), settings, stage())
            assert set(found.by) - {"sample_ratio"} <= set(ended)
            if found.verdict == "rollback":
                runs.done[run] = True
            else:
                assert not ended
    assert runs.done.sum() > 6


def test_equal_pairs_are_rarely_withdrawn_however_often_one_looks() -> None:
    found = equal(always(50), 200, 40, 300, goes_on=False).ended
    assert some(found, *RULES).mean() <= 0.05
    assert np.isfinite(found["sample_ratio"]).mean() <= 0.03


def test_twice_the_errors_are_withdrawn_before_five_thousand_requests() -> None:
    runs = Runs(config(steps=[5, 25, 50, 100]), 100, rates=(0.02, 0.04))
    for _ in range(60):
        runs.look(2_000)
    assert (runs.ended["error_rate"] < 5_000).mean() >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(5.0,), (50.0,)])
@pytest.mark.parametrize("paired", [False, True])
def test_a_thousand_equal_pairs_at_200_looks(steps: tuple[float, ...], paired: bool) -> None:
    each = 1_000 if steps == (50.0,) else 5_000
    found = equal(always(*steps), 1_000, 200, each, goes_on=False, paired=paired).ended
    what = f"{steps}{' paired' if paired else ''}"
    for name in (*RULES, "sample_ratio", "naive"):
        told(f"{what} {name}: {np.isfinite(found[name]).mean():.1%}")
    told(f"{what} any rule: {some(found, *RULES).mean():.1%}")
    assert some(found, *RULES).mean() <= ALPHA
    assert np.isfinite(found["sample_ratio"]).mean() <= 0.01 + 2 * math.sqrt(0.01 / 1_000)
    assert np.isfinite(found["naive"]).mean() > 3 * ALPHA  # why one look's test is none here


@pytest.mark.slow
@pytest.mark.parametrize("paired", [False, True])
def test_a_thousand_equal_canaries_go_up(paired: bool) -> None:
    runs = equal(config(hold="0s"), 1_000, 200, 2_000, paired=paired)
    back = some(runs.ended, "error_rate", "latency_p99")
    up = runs.done & ~back
    told(
        f"rolled back {back.mean():.1%}, paused {some(runs.ended, 'prediction_mean').mean():.1%}, "
        f"done {up.mean():.1%}"
    )
    assert back.mean() <= ALPHA
    assert up.mean() >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_thousand_candidates_with_twice_the_errors(goes_on: bool) -> None:
    settings = config(steps=[5, 25, 50, 100], hold="0s")
    runs = Runs(settings, 1_000, rates=(0.02, 0.04), goes_on=goes_on)
    for _ in range(120):
        runs.look(1_000)
    met = runs.ended["error_rate"]
    share = (met < 5_000).mean()
    told(
        f"goes on {goes_on}: withdrawn before 5,000: {share:.1%}; requests that it met: median "
        f"{np.median(met):.0f}, 95 % {np.quantile(met, 0.95):.0f}"
    )
    assert share >= 0.95
