"""What `deploy.rollout`, `deploy.watch` and the router may say, and what is said of the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mlops_cli.config.load import check_config
from mlops_cli.config.sections.rollout import Bound, RuleConfig
from mlops_cli.errors import UsageError

BASE = {"project": "x", "task": "binary", "data": {"table": "t.csv", "target": "y = z > 1"}}


def read(deploy: dict[str, Any], **more: Any) -> Any:
    return check_config({**BASE, **more, "deploy": deploy}, file="mlops.yaml").deploy


def judge(**keys: Any) -> dict[str, Any]:
    return {"rollout": {"judge": keys}}


def rules(*said: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return judge(rules=list(said), **keys)


GATEWAY = {"router": "gateway", "gateway": {"class": "traefik", "host": "a.example"}}
LABEL = {"metric": "label", "worse_by": 0.01}


@pytest.mark.parametrize(
    ("deploy", "said"),
    [
        ({"rollout": {"strategy": "canary", "steps": [5, 5, 100]}}, "5 comes after 5"),
        ({"rollout": {"strategy": "canary", "steps": [50, 25]}}, "25 comes after 50"),
        ({"rollout": {"strategy": "canary", "steps": [100]}}, "leaves no champion"),
        ({"rollout": {"strategy": "ab", "steps": [100]}}, "leaves no champion"),
        ({"rollout": {"steps": [0, 100]}}, "greater than or equal to 0.01"),
        ({"rollout": {"steps": []}}, "rollout.steps`"),
        ({"rollout": {"strategy": "canary", "hold": "2d"}}, "max_time is shorter than hold"),
        ({"rollout": {"sticky": ["a", "a"]}}, "an input is named twice"),
        ({"rollout": {"sticky": ["y"]}}, "names the target"),
        ({"rollout": {"segment": " (NULL) "}}, "would keep every event"),
        ({"rollout": {"segment": ""}}, "would keep every event"),
        (rules({"metric": "eror_rate", "worse_by": 0.1}), "did you mean error_rate?"),
        (rules({"metric": "roc", "worse_by": 0.1}), "known: error_rate, latency_p50"),
        (rules({"metric": "error_rate"}), "needs `worse_by`"),
        (rules({"metric": "error_rate", "differs_by": 0.1}), "has `worse_by`, and no `differs_by`"),
        (rules({"metric": "prediction_mean", "worse_by": 0.1}), "has `differs_by`"),
        (rules({"metric": "prediction_mean", "differs_by": "5%"}), "is a number"),
        (rules({"metric": "latency_p99", "worse_by": 0.2}), "0.2 what?"),
        (rules({"metric": "label", "worse_by": "20ms"}), "is no time"),
        (rules({"metric": "error_rate", "worse_by": 5}), "write 0.05 for 5 percent"),
        (rules({"metric": "error_rate", "worse_by": "0%"}), "'0%' is no margin"),
        (rules({"metric": "error_rate", "worse_by": -1}), "'-1' is no margin"),
        (rules({"metric": "error_rate", "worse_by": True}), "'True' is no margin"),
        (rules(*[{"metric": "error_rate", "worse_by": w} for w in (0.1, 0.2)]), "keep one"),
        (rules(LABEL), "shorter than monitor.labels_after (1w)"),
        ({"watch": {"for": "1d", "rules": [LABEL]}}, "deploy.watch.for (1d) is shorter"),
        ({"watch": {}}, "`deploy.watch.for` is missing"),
        ({"watch": {"for": "0s"}}, "deploy.watch.for"),
        ({"watch": {"for": "1d", "rules": [{**LABEL, "then": "pause"}]}}, "can only roll back"),
        (judge(alpha=0), "judge.alpha"),
        (judge(min_request=3), "the nearest known key is `min_requests`"),
        ({"kubernetes": {"router": "gateway"}}, "needs `gateway`"),
        ({"kubernetes": {"gateway": {"host": "a.example"}}}, "needs `class`, or the `name`"),
        ({"kubernetes": GATEWAY, "rollout": {"strategy": "shadow"}}, "needs router: process"),
        ({"kubernetes": GATEWAY, "rollout": {"segment": "a > 1"}}, "rollout.segment is about"),
        ({"kubernetes": GATEWAY, "rollout": {"sticky": ["a"]}}, "rollout.sticky is about"),
        ({"rollout": {"testers": {"value": "a"}}}, "by a `header` or by a `cookie`"),
        ({"rollout": {"testers": {"header": "a b", "value": "a"}}}, "testers.header"),
        (
            {"rollout": {"strategy": "shadow", "testers": {"cookie": "a", "value": "b"}}},
            "nobody sees what a shadow answers",
        ),
    ],
)
def test_what_no_rollout_could_do_is_refused(deploy: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as e:
        read(deploy)
    assert said in e.value.message
    assert e.value.exit_code == 2


def test_classes_have_no_mean_where_one_is_asked_for() -> None:
    read({"rollout": {"strategy": "canary"}}, task="multiclass")  # the default leaves it out
    with pytest.raises(UsageError, match="classes have no prediction_mean"):
        read(rules({"metric": "prediction_mean", "differs_by": 0.1}), task="multiclass")


@pytest.mark.parametrize(
    ("metric", "written", "bound"),
    [
        ("error_rate", 0.005, Bound(0.005, False)),
        ("error_rate", "20%", Bound(0.2, True)),
        ("latency_p99", "20 %", Bound(0.2, True)),
        ("latency_p50", "15ms", Bound(15.0, False)),
        ("label", 0.01, Bound(0.01, False)),
    ],
)
def test_a_margin_is_a_number_or_a_share_of_the_champions(
    metric: str, written: Any, bound: Bound
) -> None:
    assert RuleConfig(metric=metric, worse_by=written).bound == bound


@pytest.mark.parametrize(
    ("strategy", "steps", "weights"),
    [
        ("canary", [5, 50], (5, 50, 100)),
        ("canary", [5, 100], (5, 100)),
        ("ab", [30], (30,)),
        ("shadow", [20, 50], (20,)),
        ("blue_green", [5, 50], (100,)),
    ],
)
def test_the_weights_follow_from_strategy_and_steps(
    strategy: str, steps: list[float], weights: tuple[float, ...]
) -> None:
    assert read({"rollout": {"strategy": strategy, "steps": steps}}).rollout.weights == weights


def test_rules_on_labels_and_a_watch_are_read() -> None:
    found = read({"watch": {"for": "8d", "rules": [LABEL]}, **rules(LABEL, max_time="30d")})
    assert found.watch.for_ == timedelta(days=8)
    assert found.rollout.judge.label_rules
    assert found.watch.label_rules
    assert found.watch.rules[0].bound == Bound(0.01, False)
