"""Events of inputs of every type, good and odd, and the encoder of a model that reads them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mlops_cli.bundle.manifest import Feature, Input, Manifest, Target
from mlops_cli.expressions.tree import FeatureTree, FeatureTrees, Node, ValueType
from mlops_cli.serving.column_encoder import FLOAT32_LIMIT
from mlops_cli.serving.encoder import RowEncoder

WORDS = ("a", "b", "NA", "x")
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "count": st.integers(-(2**63), 2**63 - 1),
    "wide": st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([FLOAT32_LIMIT, -FLOAT32_LIMIT, 3.4028235e38, 3.4028235677973362e38, -0.0]),
    "mixed": st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6),
    "text": st.sampled_from(WORDS),
    "day": st.sampled_from(["2024-02-29", "2023-01-01"]),
    "american": st.sampled_from(["02/29/2024", "2023-01-01"]),
    "moment": st.sampled_from(["2024-02-29T10:00:00+02:00", "2023-01-01"]),
}
TYPES: dict[str, ValueType] = {
    "flag": "boolean",
    "count": "integer",
    "wide": "float",
    "mixed": "float",
    "text": "text",
    "day": "date",
    "american": "date",
    "moment": "timestamp",
}
ODD = st.one_of(
    st.none(),
    st.sampled_from(["", "NA", "yes", "text", 1, 0, 3.0, 2.5, 2**63, 2**70, 10**400, True, [], {}]),
)


def _encoder() -> RowEncoder:
    columns = {name: Node("column", kind, value=name) for name, kind in TYPES.items()}
    computed = {
        "weekday": Node("dayofweek", "integer", (columns["day"],)),
        "sum": Node("add", "float", (columns["wide"], columns["mixed"])),
        "one": Node("literal", "float", value=1.0),
    }
    numbers = {n: columns[n] for n in ("flag", "count", "wide", "mixed")} | computed
    inputs = tuple(
        Input(
            name,
            kind,
            name != "count",
            None,
            "request",
            ("x",) if name == "text" else (),
            "%m/%d/%Y" if name == "american" else None,
        )
        for name, kind in TYPES.items()
    )
    features = (*(Feature(n, "numeric") for n in numbers), Feature("text", "category", ("a", "b")))
    trees = FeatureTrees(
        tuple(FeatureTree(n, tree) for n, tree in {**numbers, "text": columns["text"]}.items())
    )
    target = Target("y")
    manifest = Manifest("1.0", "p", "regression", target, None, "xgboost", inputs, features,
                        "3.11", {}, {})  # fmt: skip
    return RowEncoder(manifest, trees)


ENCODER = _encoder()
EVENT = st.fixed_dictionaries(GOOD)
