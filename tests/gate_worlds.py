"""Worlds in which it is known what each model is worth, and lines of releases through them.

The decisions are the gate's own; only the models' predictions are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy.special import ndtri

from mlops_cli.audit.entry import Draft, Entry, seal
from mlops_cli.audit.graph import heads
from mlops_cli.config.sections.register import ChampionGate
from mlops_cli.evaluation.holdout import scores_of
from mlops_cli.evaluation.intervals import interval
from mlops_cli.evaluation.metrics import METRICS
from mlops_cli.evaluation.paired import Comparison, compare
from mlops_cli.governance.gates.champion import verdict_of
from mlops_cli.governance.gates.hold_out import Match
from mlops_cli.governance.line import WORTH, Worth, line_of, tag_of
from mlops_cli.tracking.base import ModelVersion

NOT_WORSE = ChampionGate(champion="not_worse")
BETTER = ChampionGate(champion="better")
_QUESTION = "q" * 64
_START = datetime(2024, 1, 1, tzinfo=UTC)


def within(margin: float) -> ChampionGate:
    """The gate of that margin."""
    return ChampionGate(champion="not_worse", margin=margin)


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """The area under the curve, of scores without ties."""
    positives = int(y.sum())
    ranks = np.flatnonzero(y[p.argsort()] == 1).sum() - positives * (positives - 1) / 2
    return float(ranks / (positives * (len(y) - positives)))


@dataclass(frozen=True)
class World:
    """Hold-outs of `rows` rows, and models whose true metric is 0.8, or as much as is asked.

    `metric` is `mae` (errors are normal) or `roc_auc` (scores are normal in both classes). All
    models have the part `alike` of their errors' variance in common. With `days`, half of what is
    a model's own is common to all rows of one of so many days, and the split is by time.
    """

    metric: str = "mae"
    rows: int = 500
    alike: float = 0.7
    days: int = 0

    @property
    def task(self) -> Any:
        return "regression" if self.metric == "mae" else "binary"

    @property
    def value(self) -> Callable[..., float]:
        return auc if self.metric == "roc_auc" else METRICS["regression"]["mae"].value

    def hold_out(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The target and the errors that all models make alike, each of shape (rows,)."""
        y = rng.permutation(np.arange(self.rows) % 2).astype(float)
        return y, rng.normal(size=self.rows) * math.sqrt(self.alike)

    def model(
        self, rng: np.random.Generator, rows: tuple[np.ndarray, np.ndarray], gain: float = 0.0
    ) -> np.ndarray:
        """Predictions of a model that is truly better by `gain`."""
        own = rng.normal(size=self.rows)
        if self.days:
            of_days = rng.normal(size=self.days)
            day = np.arange(self.rows) * self.days // self.rows
            own = (own + of_days[day]) / math.sqrt(2)
        error = rows[1] + math.sqrt(1 - self.alike) * own
        if self.metric == "mae":
            return rows[0] + error * (0.8 - gain) * math.sqrt(math.pi / 2)
        return math.sqrt(2) * float(ndtri(0.8 + gain)) * rows[0] + error

    def compare(
        self, rows: tuple[np.ndarray, np.ndarray], ours: np.ndarray, theirs: np.ndarray
    ) -> Comparison:
        """What the gate computes of two models' predictions."""
        measure = METRICS[self.task][self.metric]
        return compare(
            scores_of((self.value, self.value), rows[0], (ours, theirs), classes=0),
            self.rows,
            higher_is_better=measure.greater_is_better,
            in_time=bool(self.days),
        )

    def pair(self, rng: np.random.Generator, gain: float = 0.0) -> Comparison:
        """A candidate that is truly better by `gain` beside a champion, on rows of their own."""
        rows = self.hold_out(rng)
        return self.compare(rows, self.model(rng, rows, gain), self.model(rng, rows))

    def error(self, rng: np.random.Generator, trials: int = 200) -> float:
        """The standard error of the difference between two models that are as good."""
        found = [self.pair(rng).difference for _ in range(trials)]
        return math.sqrt(float(np.mean(np.square(found))))

    def own_error(self, rng: np.random.Generator, trials: int = 400) -> float:
        """The standard error of one model's metric, as its recorded interval has it."""
        drawn = (self.hold_out(rng) for _ in range(trials))
        return float(np.std([self.value(rows[0], self.model(rng, rows)) for rows in drawn]))

    def low(self, rows: tuple[np.ndarray, np.ndarray], predictions: np.ndarray) -> float:
        """The lower bound that is recorded of a model."""
        if self.metric == "mae":
            return -interval(self.task, "mae", rows[0], predictions).high
        chances = 1 / (1 + np.exp(-predictions))
        return interval(self.task, "roc_auc", rows[0], chances).low


def verdict(asked: ChampionGate, *comparisons: Comparison) -> str:
    """What the gate says of a candidate beside the champion, and the best where it is another."""
    roles = ("champion", "best")
    found = [
        Match(role, f"{i}" * 64, c, 1)  # type: ignore[arg-type]
        for i, (role, c) in enumerate(zip(roles, comparisons, strict=False))
    ]
    return verdict_of(asked, "metric", found).verdict


@dataclass
class Releases:
    """A line of champions as log and registry have it."""

    world: World
    asked: ChampionGate
    rng: np.random.Generator
    fresh: bool = True
    with_best: bool = True
    gains: dict[str, float] = field(default_factory=dict)
    promoted: int = 0
    _entries: dict[str, Entry] = field(default_factory=dict)
    _versions: dict[str, ModelVersion] = field(default_factory=dict)
    _known: dict[str, np.ndarray] = field(default_factory=dict)
    _rows: Any = None
    _champion: str = ""

    def release(self, gain: float) -> str:
        """A candidate that is better than the first by `gain`; what the gate says of it.

        `fresh` hold-outs are of other rows at each release; else it is always the same one.
        """
        if self.fresh or self._rows is None:
            self._rows, self._known = self.world.hold_out(self.rng), {}
        digest = f"{len(self.gains):064x}"
        self.gains[digest] = gain
        if not self._champion:
            self._crown(digest)
            return "passed"
        opponents = [self._champion]
        if self.with_best and (best := self._best()) != self._champion:
            opponents.append(best)
        found = [self.world.compare(self._rows, self._of(digest), self._of(o)) for o in opponents]
        said = verdict(self.asked, *found)
        if said == "passed":
            self._crown(digest)
            self.promoted += 1
        return said

    @property
    def gain(self) -> float:
        """What the champion is truly better by than the first one."""
        return self.gains[self._champion]

    def _best(self) -> str:
        found = line_of(self._entries, list(self._versions.values()), self.world.metric, _QUESTION)
        return found.best_first[0].digest

    def _of(self, digest: str) -> np.ndarray:
        if digest not in self._known:
            self._known[digest] = self.world.model(self.rng, self._rows, self.gains[digest])
        return self._known[digest]

    def _crown(self, digest: str) -> None:
        low = self.world.low(self._rows, self._of(digest))
        worth = tag_of(Worth(low, self.world.metric, _QUESTION))
        self._versions[digest] = ModelVersion(digest, digest, tags={WORTH: worth})
        entry = seal(
            Draft("register", "done", {"digest": digest}),
            parents=heads(self._entries),
            time=_START,
            actor="x",
        )
        self._entries[entry.id] = entry
        self._champion = digest


def walk(
    world: World,
    asked: ChampionGate,
    rng: np.random.Generator,
    step: float,
    *,
    from_champion: bool = False,
    **how: Any,
) -> Releases:
    """Twenty releases after the first, each worse by `step` than the release before it.

    Or than the champion that it meets (`from_champion`): what was refused is tried again.
    """
    line = Releases(world, asked, rng, **how)
    line.release(0.0)
    for k in range(1, 21):
        line.release((line.gain if from_champion else (1 - k) * step) - step)
    return line
