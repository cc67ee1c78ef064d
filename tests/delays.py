"""What a model of delays takes: inputs of every type, and features of them."""

from __future__ import annotations

from mlops_cli.bundle.manifest import Feature, Input
from mlops_cli.expressions.tree import FeatureTree, FeatureTrees, Node

CARRIERS = ("9E", "AA", "Zürich:Air")
ORIGINS = ("EWR", "JFK", "LGA")
INPUTS = (
    Input("carrier", "text", True, CARRIERS, "event"),
    Input("origin", "text", False, ORIGINS, "event"),
    Input("distance", "integer", False, None, "event"),
    Input("temp", "float", True, None, "join"),
    Input("wet", "boolean", True, None, "join"),
    Input("day", "date", True, None, "event"),
    Input("at", "timestamp", True, None, "event"),
)
FEATURES = (
    Feature("carrier", "category", CARRIERS),
    Feature("origin", "category", ORIGINS),
    Feature("distance", "numeric"),
    Feature("temp", "numeric"),
    Feature("wet", "numeric"),
    Feature("weekday", "numeric"),
    Feature("hour", "numeric"),
)
TREES = FeatureTrees(
    (
        *(FeatureTree(i.name, Node("column", i.type, value=i.name)) for i in INPUTS[:5]),
        FeatureTree(
            "weekday", Node("dayofweek", "integer", (Node("column", "date", value="day"),))
        ),
        FeatureTree("hour", Node("hour", "integer", (Node("column", "timestamp", value="at"),))),
    )
)
