"""XGBoost's own models, JSON or UBJSON: served through XGBoost itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xgboost

from mlops_cli._json import plain_json
from mlops_cli.bundle.manifest import ClassLabel, Task
from mlops_cli.importing.base import Original, refused
from mlops_cli.importing.recognise import is_json
from mlops_cli.serving.ubjson import read_ubjson
from mlops_cli.serving.xgboost_trees import check_model
from mlops_cli.training.tree_splits import Numbers, Tree
from mlops_cli.training.xgboost_trees import tree_of

_TASKS: Mapping[str, Task] = {
    "binary:logistic": "binary",
    "multi:softprob": "multiclass",
    **dict.fromkeys(
        ("reg:squarederror", "reg:squaredlogerror", "reg:logistic", "reg:pseudohubererror",
         "reg:absoluteerror", "reg:quantileerror", "reg:gamma", "reg:tweedie", "count:poisson"),
        "regression",
    ),
}  # fmt: skip
_INSTEAD = {
    "multi:softmax": "booster.set_param({'objective': 'multi:softprob'}), then save it again",
    "binary:logitraw": "booster.set_param({'objective': 'binary:logistic'}), then save it again",
    "binary:hinge": "train it with binary:logistic",
}


def open_original(content: bytes, *, classes: tuple[ClassLabel, ...] | None = None) -> Original:
    """The model of a file's content; `classes` are those that a wrapper of it knew.

    Raises `UsageError` naming what cannot be served.
    """
    try:
        check_model(plain_json(content) if is_json(content) else read_ubjson(content))
        booster = xgboost.Booster(model_file=bytearray(content))
        booster.set_param({"nthread": 1, "device": "cpu"})
        learner = json.loads(booster.save_raw("json"))["learner"]
    except (xgboost.core.XGBoostError, ValueError, KeyError) as e:
        said = " ".join(str(e).split("Stack trace")[0].split())[-300:]
        raise refused(
            f"XGBoost {xgboost.__version__} cannot read it: {said}",
            hint="write it again with booster.save_model('model.json')",
        ) from e
    task = _task(learner)
    rounds, remarks = _rounds(booster)
    served = booster[:rounds] if rounds else booster
    trees = [*_trees(json.loads(served.save_raw("json"))["learner"])]
    width = int(learner["learner_model_param"]["num_feature"])
    types = booster.feature_types or []
    return Original(
        form=f"XGBoost {xgboost.__version__}",
        kind="xgboost",
        contents=(bytes(served.save_raw("ubj")),),
        task=task,
        width=width,
        predict=_predictor(booster, rounds),
        names=tuple(booster.feature_names) if booster.feature_names else None,
        classes=classes,
        outputs={"binary": 2, "regression": 0}.get(
            task, int(learner["learner_model_param"]["num_class"])
        ),
        categories=_categories(booster),
        coded=frozenset(i for i, kind in enumerate(types) if kind == "c"),
        trees=trees,
        importance=_importance(served, width),
        remarks=remarks,
    )


def _predictor(booster: Any, rounds: int) -> Any:
    kinds = booster.feature_types

    def predict(matrix: Numbers) -> Numbers:
        rows = xgboost.DMatrix(
            matrix, nthread=1, feature_types=kinds, enable_categorical=bool(kinds)
        )
        found = booster.predict(rows, iteration_range=(0, rounds), validate_features=False)
        return np.asarray(found, np.float64)

    return predict


def _task(learner: Mapping[str, Any]) -> Task:
    name, about = learner["objective"]["name"], learner["learner_model_param"]
    booster = learner["gradient_booster"]["name"]
    if booster not in ("gbtree", "dart"):
        raise refused(
            f"its booster is {booster}, which XGBoost's inplace_predict does not predict",
            hint="train it with gbtree or dart, or as a linear model of scikit-learn",
        )
    if name not in _TASKS:
        raise refused(
            f"its objective is `{name}`: its prediction is neither a probability nor a value",
            hint=_INSTEAD.get(name, f"these can be: {', '.join(_TASKS)}"),
        )
    if int(about["num_target"]) > 1:
        raise refused(
            f"it predicts {about['num_target']} values a row",
            hint="train a model for each of its targets",
        )
    task, kind = _TASKS[name], _estimator(learner.get("attributes", {}))
    if kind and (kind == "classifier") != (task != "regression"):
        raise refused(
            f"it was a {kind} with an objective of its own, of which the file says `{name}` only",
            hint="train it with an objective of XGBoost's",
        )
    return task


def _estimator(attributes: Mapping[str, str]) -> str | None:
    """What of scikit-learn's interface wrote the file; None for a plain booster."""
    found = json.loads(attributes.get("scikit_learn", "{}")).get("_estimator_type")
    return found if found in ("classifier", "regressor") else None


def _rounds(booster: Any) -> tuple[int, tuple[str, ...]]:
    """As many rounds as the model's own `predict` uses (0: all), and what is to be said of it.

    After early stopping scikit-learn's interface ends with the best round, and a booster does not.
    """
    best, ran = booster.attr("best_iteration"), booster.num_boosted_rounds()
    if best is None or int(best) + 1 >= ran:
        return 0, ()
    first = int(best) + 1
    if booster.attr("scikit_learn") is not None:
        return first, (f"the first {first} of {ran} rounds are used, as XGBoost's estimators do",)
    why = f"all {ran} rounds are used, as Booster.predict does, though {first} were the best"
    return 0, (f"{why}: save booster[:{first}] for these alone",)


def _trees(learner: Mapping[str, Any]) -> Iterator[Tree]:
    booster = learner["gradient_booster"]
    for tree in booster.get("gbtree", booster)["model"]["trees"]:
        yield tree_of(tree)[0]


def _categories(booster: Any) -> Mapping[int, tuple[str, ...]]:
    """The texts that stand for codes, by feature: a file of XGBoost 3.1 or later has them."""
    if "c" not in (booster.feature_types or []):
        return {}
    found: dict[int, tuple[str, ...]] = {}
    for i, (name, values) in enumerate(booster.get_categories(export_to_arrow=True).to_arrow()):
        texts = values.to_pylist() if values is not None else []
        if all(isinstance(v, str) for v in texts):
            if texts:
                found[i] = tuple(texts)
        elif texts != list(range(len(texts))):
            raise refused(
                f"the categories of `{name}` are numbers that XGBoost coded anew",
                hint="train it on text categories, or on codes from 0",
            )
    return found


def _importance(booster: Any, width: int) -> Sequence[float]:
    gain = booster.get_score(importance_type="total_gain")
    names = booster.feature_names or [f"f{i}" for i in range(width)]
    return [float(gain.get(name, 0.0)) for name in names]
