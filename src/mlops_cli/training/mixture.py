"""Several estimators whose models are averaged, served as one ensemble of trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NoReturn, cast

from mlops_cli.bundle.manifest import ModelKind, Task
from mlops_cli.errors import UsageError
from mlops_cli.training.base import Averaging, Estimator, Fit, Fitted, Params, Part, Trials
from mlops_cli.training.mixed import Grown, Mixed, mixed


class Mixture:
    """`Estimator` and `Averaging` of members of more than one library, each by its name."""

    kind: ModelKind = "onnx"
    has_rounds = True
    step = ""
    own_step = 0.0
    portfolio: tuple[Params, ...] = ()

    def __init__(self, task: Task, estimators: Mapping[str, Estimator]) -> None:
        self._task = task
        self._estimators = estimators

    def check(self, part: Part, tries: Sequence[Params]) -> None:
        """See `Estimator.check`: each was checked by itself."""

    def trials(self, train: Part, validation: Part) -> NoReturn:
        """See `Estimator.trials`: each is searched by itself."""
        raise NotImplementedError("a mixture is made after the searches")

    def patient_trials(self, train: Part, validation: Part, patience: int) -> Trials:
        """See `Averaging.patient_trials`."""
        return self.trials(train, validation)

    def fit(self, part: Part, params: Params, rounds: int | None) -> NoReturn:
        """See `Estimator.fit`: what it is fitted with are members."""
        raise NotImplementedError("a mixture is fitted as an average")

    def average(self, part: Part, fits: Sequence[Fit]) -> Mixed:
        """See `Averaging.average`: each library's own average, and the average of these."""
        models: list[Grown] = []
        weights: list[float] = []
        for name, group in groupby(sorted(fits, key=lambda fit: fit.estimator), _name):
            own = list(group)
            total = sum(fit.weight for fit in own)
            shares = [Fit(f.params, f.rounds, f.seed, f.weight / total, name) for f in own]
            estimator = cast("Averaging", self._estimators[name])
            models.append(cast("Grown", estimator.average(part, shares)))
            weights.append(total)
        return mixed(self._task, models, weights)

    def update(self, parts: tuple[Part, Part], params: Params, before: bytes) -> tuple[Fitted, int]:
        """See `Estimator.update`: what is served is ONNX, which cannot be fitted any further."""
        raise UsageError(
            "mlops.yaml: train.update is set, and auto cannot go on from what is served",
            hint="remove train.update, or name one estimator: xgboost",
        )

    def modules(self) -> dict[str, str]:
        """See `Estimator.modules`."""
        own = [one.modules() for one in self._estimators.values() if one.kind == self.kind]
        return own[0]  # two libraries at the least, and one of them alone is served otherwise

    def settings(self) -> dict[str, str]:
        """See `Estimator.settings`."""
        found: dict[str, str] = {}
        for one in self._estimators.values():
            found |= one.settings()
        return found


def _name(fit: Fit) -> str:
    return fit.estimator
