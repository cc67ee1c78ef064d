"""The space that is searched where the configuration gives none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from mlops_cli.config.sections.tune import Choice, FloatRange, IntRange, SearchRange
from mlops_cli.errors import UsageError


def _float(low: float, high: float, *, log: bool = False) -> FloatRange:
    return FloatRange(float_=(low, high), log=log)


def _int(low: int, high: int, *, log: bool = False) -> IntRange:
    return IntRange(int_=(low, high), log=log)


_TREES: Mapping[str, SearchRange] = {
    "n_estimators": _int(50, 300, log=True),
    "max_depth": _int(3, 16),
    "min_samples_leaf": _int(1, 50, log=True),
    "max_features": _float(0.2, 1.0),
}
_PENALTY: Mapping[str, SearchRange] = {"C": _float(1e-3, 1e2, log=True)}
_RIDGE: Mapping[str, SearchRange] = {"alpha": _float(1e-3, 1e3, log=True)}
_HISTOGRAMS: Mapping[str, SearchRange] = {
    "learning_rate": _float(0.02, 0.3, log=True),
    "max_iter": _int(50, 300, log=True),
    "max_leaf_nodes": _int(7, 127, log=True),
    "min_samples_leaf": _int(5, 100, log=True),
    "l2_regularization": _float(1e-3, 10.0, log=True),
}
SPACES: dict[str, Mapping[str, SearchRange]] = {
    "xgboost": {
        "max_depth": _int(3, 10),
        "eta": _float(0.02, 0.3, log=True),
        "subsample": _float(0.5, 1.0),
        "colsample_bytree": _float(0.5, 1.0),
        "min_child_weight": _float(1.0, 20.0, log=True),
    },
    "lightgbm": {
        "num_leaves": _int(7, 127, log=True),
        "learning_rate": _float(0.02, 0.3, log=True),
        "min_data_in_leaf": _int(5, 100, log=True),
        "feature_fraction": _float(0.5, 1.0),
        "lambda_l2": _float(1e-3, 10.0, log=True),
    },
    "catboost": {
        "depth": _int(4, 8),
        "learning_rate": _float(0.02, 0.3, log=True),
        "l2_leaf_reg": _float(1.0, 30.0, log=True),
        "random_strength": _float(0.1, 10.0, log=True),
        "rsm": _float(0.5, 1.0),
    },
    "LogisticRegression": _PENALTY,
    "Ridge": _RIDGE,
    "Lasso": _RIDGE,
    "ElasticNet": {**_RIDGE, "l1_ratio": _float(0.0, 1.0)},
    "RandomForestClassifier": _TREES,
    "RandomForestRegressor": _TREES,
    "ExtraTreesClassifier": _TREES,
    "ExtraTreesRegressor": _TREES,
    "HistGradientBoostingClassifier": _HISTOGRAMS,
    "HistGradientBoostingRegressor": _HISTOGRAMS,
    "GradientBoostingClassifier": {
        "learning_rate": _float(0.02, 0.3, log=True),
        "n_estimators": _int(50, 300, log=True),
        "max_depth": _int(2, 6),
        "subsample": _float(0.5, 1.0),
    },
    "DecisionTreeClassifier": {
        "max_depth": _int(2, 16),
        "min_samples_leaf": _int(1, 100, log=True),
    },
}
SPACES |= {
    "GradientBoostingRegressor": SPACES["GradientBoostingClassifier"],
    "DecisionTreeRegressor": SPACES["DecisionTreeClassifier"],
}


def space_of(
    estimator: str, asked: Mapping[str, SearchRange] | None, fixed: Iterable[str]
) -> Mapping[str, SearchRange]:
    """The space to search: the one asked for, or the estimator's own without `fixed` parameters.

    `estimator` is a name as in `train.estimator`; one without a space of its own gets an
    empty one: its defaults are tried once. Raises `UsageError` for a parameter that is searched
    and fixed.
    """
    held = set(fixed)
    if asked is not None:
        if both := sorted(held & asked.keys()):
            raise UsageError(
                f"mlops.yaml: {both[0]!r} stands in tune.space and in train.params",
                hint="search it or fix it: remove one of the two",
            )
        return asked
    default = SPACES.get(estimator.rpartition(".")[2], {})
    return {name: r for name, r in default.items() if name not in held}


def check_first(
    tries: Iterable[Mapping[str, bool | int | float | str]], space: Mapping[str, SearchRange]
) -> None:
    """Raise `UsageError` for parameters to try first that are not within the space."""
    for number, params in enumerate(tries):
        key = f"mlops.yaml: tune.first.{number}"
        if other := sorted(params.keys() ^ space.keys()):
            what = "is not searched" if other[0] in params else "is missing"
            raise UsageError(
                f"{key}: {other[0]!r} {what}", hint=f"it takes {', '.join(space) or 'nothing'}"
            )
        for name, value in params.items():
            if not _within(space[name], value):
                raise UsageError(
                    f"{key}: {name} is {value!r}, which its range does not have",
                    hint="widen tune.space, or try another value first",
                )


def _within(r: SearchRange, value: bool | int | float | str) -> bool:
    if isinstance(r, Choice):
        return value in r.choice
    low, high = r.int_ if isinstance(r, IntRange) else r.float_
    number = isinstance(value, int) or (isinstance(value, float) and isinstance(r, FloatRange))
    return number and not isinstance(value, bool) and low <= float(value) <= high


def ends(space: Mapping[str, SearchRange]) -> list[dict[str, bool | int | float | str]]:
    """Points at the ends of a space: all lowest, all highest, every choice at least once."""
    lists = {name: _ends_of(r) for name, r in space.items()}
    longest = max((len(values) for values in lists.values()), default=1)
    return [
        {name: values[i % len(values)] for name, values in lists.items()} for i in range(longest)
    ]


def _ends_of(r: SearchRange) -> Sequence[bool | int | float | str]:
    match r:
        case IntRange():
            return r.int_
        case FloatRange():
            return r.float_
        case Choice():
            return r.choice
        case _:
            assert_never(r)
