"""LightGBM's text models, with what an import must know of them beside their form for serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np

from mlops_cli.bundle.manifest import ClassLabel
from mlops_cli.importing.base import Original, refused
from mlops_cli.training.lightgbm_text import (
    Inexact,
    TextModel,
    ensemble_of,
    link_of,
    parsed,
)
from mlops_cli.training.tree_ensemble import to_onnx
from mlops_cli.training.tree_splits import Numbers


def open_original(content: bytes, *, classes: tuple[ClassLabel, ...] | None = None) -> Original:
    """The model of a text file's content; `classes` are those that a wrapper of it knew.

    Raises `UsageError` naming what has no exact form for serving.
    """
    text = content.decode("utf-8", errors="replace")
    try:
        model = parsed(text)
        task, steps, end = link_of(model)
        ensemble = ensemble_of(model)  # first: a tree that is none ends LightGBM's process
        booster = lightgbm.Booster(model_str=text)
    except Inexact as e:
        raise refused(e.why, hint=e.hint) from e
    except (KeyError, ValueError, IndexError, lightgbm.basic.LightGBMError) as e:
        raise refused(
            f"LightGBM's text is damaged: {type(e).__name__}: {e}"[:300],
            hint="write it again with booster.save_model(FILE)",
        ) from e
    generic = all(n == f"Column_{i}" for i, n in enumerate(booster.feature_name()))
    return Original(
        form=f"LightGBM {lightgbm.__version__}",
        kind="onnx",
        contents=(to_onnx(ensemble, steps, end),),
        task=task,
        width=model.width,
        predict=_predictor(booster),
        names=None if generic else tuple(booster.feature_name()),
        classes=classes,
        outputs={"value": 0, "two classes": 2, "classes": ensemble.outputs}[end],
        categories=_texts(model),
        coded=ensemble.whole,
        trees=[tree for tree, _ in ensemble.trees],
        importance=booster.feature_importance("gain").tolist(),
    )


def _predictor(booster: Any) -> Any:
    def predict(matrix: Numbers) -> Numbers:
        return np.asarray(booster.predict(matrix, num_threads=1), np.float64)

    return predict


def _texts(model: TextModel) -> Mapping[int, tuple[str, ...]]:
    """The categories of the features that pandas held as such, in the order of the features."""
    if not model.categories:
        return {}
    infos = model.header["feature_infos"].split(" ")
    columns = [i for i, info in enumerate(infos) if info != "none" and not info.startswith("[")]
    known = [c for c in model.categories if all(isinstance(v, str) for v in c)]
    if len(known) < len(model.categories) or len(columns) != len(known):
        raise refused(
            "pandas coded columns of categories for it, and the file does not say which columns "
            "these are or what numbers stand for",
            hint="train it on columns of text categories (unordered, of more than one value)",
        )
    return dict(zip(columns, map(tuple, known), strict=True))
