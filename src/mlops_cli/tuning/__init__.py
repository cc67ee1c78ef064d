"""The search for parameters behind one port; Optuna is the searcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mlops_cli.progress import Progress
    from mlops_cli.tuning.base import Searcher, SearchPlan
    from mlops_cli.tuning.journal import Steps

SEARCHERS = {"optuna": "mlops_cli.tuning.optuna"}


def open_searcher(name: str = "optuna") -> Searcher:
    """The searcher `name`."""
    return cast("Searcher", load_adapter(SEARCHERS[name]).open_searcher())


def open_shared_steps(
    digest: str, plan: SearchPlan, progress: Progress
) -> AbstractContextManager[Steps]:
    """The steps of a search that other processes carry on, too: see `tuning.postgres`."""
    adapter = load_adapter("mlops_cli.tuning.postgres", extra="postgres")
    steps: AbstractContextManager[Steps] = adapter.shared_steps(digest, plan, progress)
    return steps


def preload() -> None:
    """Load the usual searcher's library, in a process that others are forked from."""
    load_adapter(SEARCHERS["optuna"])
