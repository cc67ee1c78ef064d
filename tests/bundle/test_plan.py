"""A plan of fewer features has the inputs that these need, and no others."""

from __future__ import annotations

from mlops_cli.bundle.manifest import Feature, Input, Target
from mlops_cli.bundle.online import OnlineFeature, OnlinePlan
from mlops_cli.bundle.plan import FeaturePlan, InputRule
from mlops_cli.expressions.tree import FeatureTree, Node


def column(name: str) -> Node:
    return Node("column", "float", value=name)


def looked_up(name: str, key: str) -> OnlineFeature:
    return OnlineFeature(name, "float", "g", (key,), 0, column(name), {})


INPUTS = tuple(
    Input(name, "float", nullable=False, categories=None, source=source)
    for name, source in (("a", "event"), ("b", "event"), ("rate", "online"), ("rain", "online"))
)
PLAN = FeaturePlan(
    inputs=INPUTS,
    features=tuple(Feature(n, "numeric") for n in ("a", "both", "rate", "rain")),
    trees=(
        FeatureTree("a", column("a")),
        FeatureTree("both", Node("add", "float", (column("a"), column("b")))),
        FeatureTree("rate", column("rate")),
        FeatureTree("rain", column("rain")),
    ),
    target=Target("y", None),
    classes=None,
    rows=3,
    without_target=0,
    quarantined=0,
    rules=(InputRule(("a", "b"), "a < b"), InputRule(("b",), "b > 0"), InputRule(("a",), "a > 0")),
    online=OnlinePlan(
        (looked_up("rate", "b"), looked_up("rain", "a")), required=("a", "b"), ttl=None
    ),
)


def test_inputs_and_rules_are_those_of_what_is_left():
    left = PLAN.only({"a"})
    assert [i.name for i in left.inputs] == ["a"]
    assert [t.name for t in left.trees] == [f.name for f in left.features] == ["a"]
    assert left.rules == (InputRule(("a",)), InputRule(("a",), "a > 0"))
    assert left.online is None


def test_a_key_stays_where_something_is_looked_up_by_it_and_may_then_be_missing():
    left = PLAN.only({"a", "rate"})
    assert [(i.name, i.nullable) for i in left.inputs] == [
        ("a", False),
        ("b", True),
        ("rate", False),
    ]
    assert [f.name for f in left.online.features] == ["rate"]
    assert left.online.required == ("b",)


def test_a_plan_of_all_features_is_itself():
    assert PLAN.only({f.name for f in PLAN.features}) == PLAN
