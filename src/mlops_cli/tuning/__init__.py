"""The search for parameters behind one port; Optuna is the searcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter

if TYPE_CHECKING:
    from mlops_cli.tuning.base import Searcher

SEARCHERS = {"optuna": "mlops_cli.tuning.optuna"}


def open_searcher(name: str = "optuna") -> Searcher:
    """The searcher `name`."""
    return cast("Searcher", load_adapter(SEARCHERS[name]).open_searcher())


def preload() -> None:
    """Load the usual searcher's library, in a process that others are forked from."""
    load_adapter(SEARCHERS["optuna"])
