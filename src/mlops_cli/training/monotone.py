"""Directions that predictions keep to: `train.monotone`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from mlops_cli.bundle.manifest import Feature, Task
from mlops_cli.errors import UsageError

_SIGNS = {"increasing": 1, "decreasing": -1}


def directions(
    asked: Mapping[str, str], features: Sequence[Feature], task: Task
) -> Mapping[str, int]:
    """1 or -1 by feature; raises `UsageError` where a direction has no meaning."""
    kinds = {feature.name: feature.kind for feature in features}
    if asked and task == "multiclass":
        raise UsageError(
            "mlops.yaml: train.monotone is set, and of several classes none is more than another",
            hint="remove it, or make the target true or false, or a number",
        )
    for name in asked:
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"features: {', '.join(kinds)}"
            raise UsageError(
                f"mlops.yaml: train.monotone names {name!r}, which is no feature", hint=known
            )
        if kinds[name] == "category":
            raise UsageError(
                f"mlops.yaml: train.monotone names {name!r}, a category: its values have no order",
                hint="remove it, or make a number of it under features.row",
            )
    return {name: _SIGNS[direction] for name, direction in asked.items()}
