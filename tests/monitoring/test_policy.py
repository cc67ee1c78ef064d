"""When a policy asks for a retraining, and why it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops_cli.config.sections.retrain import RetrainConfig
from mlops_cli.monitoring.retraining.policy import Policy
from mlops_cli.monitoring.windows.records import DriftFound, LabelsFound, QualityFound, Window

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def policy(*when: dict[str, Any], metric: str = "roc_auc", **more: Any) -> Policy:
    return Policy(RetrainConfig.model_validate({"when": when, **more}), metric)


def window(day: int, *, drifted: bool = False, broken: bool = False, rows: int = 90) -> Window:
    return Window(
        start=START + day * DAY,
        end=START + (day + 1) * DAY,
        target="local",
        version="0" * 12,
        rows=rows,
        sampled=rows,
        drift=DriftFound(drifted=drifted, rows=rows),
        quality=QualityFound(broken=broken),
    )


def measured(day: int, low: float, high: float, metric: str = "roc_auc", **labels: Any) -> Window:
    all_came = LabelsFound(rows=90, labelled=90, over=True, partial=False, enough=True)
    return Window(
        start=START + day * DAY,
        end=START + (day + 1) * DAY,
        target="local",
        version="0" * 12,
        rows=90,
        sampled=90,
        labels=replace(all_came, **labels),
        performance={metric: (low + high) / 2, f"{metric}_low": low, f"{metric}_high": high},
        baseline={metric: 0.8},
    )


def reasons(of: Policy, *windows: Window) -> tuple[str, ...]:
    return of.asks(windows, [], windows[-1].end).reasons


def test_drift_counts_windows_in_a_row() -> None:
    asked = policy({"drift": 3})
    drifted = [window(day, drifted=True) for day in range(5)]
    assert not reasons(asked, *drifted[:2])
    assert reasons(asked, *drifted[:3]) == ("drift: 3",)
    assert not reasons(asked, *drifted[:2], window(2))
    assert not reasons(asked, drifted[0], window(1), drifted[2], drifted[3])
    assert reasons(asked, *drifted[:2], window(2, rows=0), drifted[3])  # nothing came: no verdict


def test_broken_data_is_no_drift_and_trains_no_model() -> None:
    broken = [window(day, drifted=True, broken=True) for day in range(4)]
    assert not reasons(policy({"drift": 3}), *broken)
    asked = policy({"every": "3d"}).asks(broken, [], broken[-1].end)
    assert asked.reasons == ("every: 3d",)
    assert not asked.due
    assert "broken data" in asked.blocked_by[0]


def test_a_drop_counts_where_the_whole_interval_has_passed_the_bound() -> None:
    asked = policy({"metric_drop": "5%"})
    assert reasons(asked, measured(0, 0.70, 0.75)) == ("metric_drop: 5%",)
    assert not reasons(asked, measured(0, 0.70, 0.77))
    assert not reasons(asked, measured(0, 0.70, 0.75, over=False, partial=True))
    assert not reasons(asked, measured(0, 0.70, 0.75, biased="only positives came"))
    assert not reasons(asked, measured(0, 0.70, 0.75, enough=False))
    assert not reasons(asked, measured(0, 0.70, 0.75), measured(1, 0.74, 0.82))
    loss = policy({"metric_drop": "5%"}, metric="log_loss")
    assert reasons(loss, measured(0, 0.85, 0.95, "log_loss"))
    assert not reasons(loss, measured(0, 0.70, 0.75, "log_loss"))


def test_after_a_retraining_there_is_a_pause_and_a_month_has_so_many() -> None:
    drifted = [window(day, drifted=True) for day in range(60)]
    asked = policy({"drift": 1}, cooldown="7d", per_month=2)
    at = drifted[-1].end
    assert asked.asks(drifted, [at - 8 * DAY], at).due
    paused = asked.asks(drifted, [at - 6 * DAY], at)
    assert not paused.due
    assert paused.blocked_by[0].startswith("cooldown: 7d")  # as a user writes it
    spent = asked.asks(drifted, [at - 20 * DAY, at - 9 * DAY], at)
    assert spent.blocked_by == ("per_month: 2",)
    assert asked.asks(drifted, [at - 40 * DAY, at - 31 * DAY], at).due


def test_the_clock_is_that_of_the_windows() -> None:
    windows = [window(day) for day in range(40)]
    asked = policy({"every": "30d"})
    assert not asked.asks(windows, [], windows[28].end).reasons
    assert asked.asks(windows, [], windows[29].end).due
    assert not asked.asks(windows, [windows[29].end], windows[-1].end).reasons
    assert asked.asks(windows, [windows[-1].end], windows[29].end).due  # one that is yet to come


def test_what_was_seen_before_a_retraining_asks_for_no_other() -> None:
    drifted = [window(day, drifted=True) for day in range(10)]
    asked = policy({"drift": 3}, cooldown="1d")
    assert not asked.asks(drifted, [drifted[-1].start], drifted[-1].end).reasons


def test_a_backtest_fires_as_the_policy_would_have() -> None:
    drifted = [window(day, drifted=day >= 10) for day in range(30)]
    fired = policy({"drift": 3}, cooldown="7d").fired(drifted)
    assert [(moment - START).days for moment in fired] == [13, 20, 27]
    assert policy({"drift": 3}).fired(drifted[:10]) == []


@pytest.mark.parametrize("when", [{"metric_drop": "0%"}, {"metric_drop": 5}, {"drift": 0},
                                  {"every": "soon"}, {"drift": 3, "every": "1d"}])  # fmt: skip
def test_what_is_no_trigger_is_refused(when: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="RetrainConfig"):
        policy(when)
