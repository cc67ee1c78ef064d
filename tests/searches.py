"""A search that is known: its plan, and a loss that falls with the rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mlops_cli.config.sections.tune import Choice, FloatRange, IntRange
from mlops_cli.tuning.base import Outcome, SearchPlan

PLAN = SearchPlan(
    space={
        "x": FloatRange(float_=(-2.0, 2.0)),
        "k": IntRange(int_=(1, 100), log=True),
        "c": Choice(choice=("u", "v")),
    },
    trials=14,
    sampler="tpe",
    pruner="hyperband",
    rounds=40,
    seed=3,
    greater_is_better=False,
    identity="data",
)


class Falling:
    """A loss that falls with the rounds towards where the parameters let it.

    `breaks` is told each round; a round takes `pause` seconds.
    """

    def __init__(
        self, params: Any, breaks: Callable[[int], Any] | None = None, pause: float = 0.0
    ) -> None:
        self.floor = (params["x"] - 1) ** 2 + abs(params["k"] - 10) / 50 + (params["c"] == "u")
        self.ran, self.breaks, self.pause = 0, breaks, pause

    def advance(self, rounds: int, check: Callable[[], None]) -> Outcome:
        while self.ran < rounds:
            check()
            time.sleep(self.pause)
            self.ran += 1
            if self.breaks:
                self.breaks(self.ran)
        loss = self.floor + 1 / self.ran
        return Outcome(loss, self.ran, self.ran, ended=False, metrics=lambda: {"loss": loss})
