"""A space as Optuna has it."""

from __future__ import annotations

from typing import assert_never

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from mlops_cli.config.sections.tune import Choice, FloatRange, IntRange, SearchRange
from mlops_cli.tuning.base import Space


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Each parameter's range."""
    return {name: _distribution(r) for name, r in space.items()}


def _distribution(r: SearchRange) -> BaseDistribution:
    match r:
        case IntRange():
            return IntDistribution(*r.int_, log=r.log)
        case FloatRange():
            return FloatDistribution(*r.float_, log=r.log)
        case Choice():
            return CategoricalDistribution(r.choice)
        case _:
            assert_never(r)
