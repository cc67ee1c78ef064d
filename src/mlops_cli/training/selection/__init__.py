"""Putting features in order, by the rows that a model is fitted on: `train.select.method`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter

if TYPE_CHECKING:
    from mlops_cli.training.selection.base import Ranking

METHODS = {
    "mutual_information": "mlops_cli.training.selection.mutual_information",
    "rfe": "mlops_cli.training.selection.elimination",
    "shap": "mlops_cli.training.selection.shap",
}


def open_ranking(method: str) -> Ranking:
    """The method of that name, one of `METHODS`."""
    return cast("Ranking", load_adapter(METHODS[method]).ranking)
