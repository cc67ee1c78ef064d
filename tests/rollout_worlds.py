"""What servers count in a rollout, made up by chance or to the last request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from mlops_cli.config.sections.rollout import RolloutConfig
from mlops_cli.experiments.evidence import ArmStep, Evidence, Stage
from mlops_cli.experiments.judge import Verdict, judge

HOUR = timedelta(hours=1)
ERRORS = {"metric": "error_rate", "worse_by": 0.005}


def config(*rules: Mapping[str, Any], **keys: Any) -> RolloutConfig:
    """A canary with these rules; of `keys` the judge's go to the judge."""
    own = {k: keys.pop(k) for k in [*keys] if k in RolloutConfig.model_fields}
    said = {**keys, **({"rules": list(rules)} if rules else {})}
    return RolloutConfig.model_validate({"strategy": "canary", **own, "judge": said})


def stage(
    step: int = 0, *percents: float, elapsed: timedelta = HOUR, task: str = "binary", **more: Any
) -> Stage:
    """The rollout at a step, an hour after that began."""
    at = dict(enumerate(percents or (5.0, 25.0, 50.0)))
    return Stage(step, {s: p for s, p in at.items() if s <= step}, elapsed, task, **more)


def arm(
    step: int, requests: int, errors: int = 0, *, mean: float = 0.3, ms: float = 5.0
) -> ArmStep:
    """A cell whose predictions are around a mean, and whose latencies have a tail."""
    answered = requests - errors
    return ArmStep(
        step,
        requests,
        errors,
        answered,
        mean * answered,
        (mean**2 + 0.04) * answered,
        latencies(answered, ms),
    )


def latencies(count: int, ms: float) -> dict[int, int]:
    """So many latencies, log-normal around a median, by bucket, without chance."""
    first = round(np.log(ms / 0.05) / np.log(1.05))
    buckets = np.arange(first - 40, first + 60)
    density = np.exp(-(((buckets - first) / 10.0) ** 2) / 2)
    upto = np.round(np.cumsum(density / density.sum()) * count).astype(int)
    return {int(b): int(n) for b, n in zip(buckets, np.diff(upto, prepend=0), strict=True) if n}


def judged(
    champion: Sequence[ArmStep] | ArmStep,
    candidate: Sequence[ArmStep] | ArmStep,
    settings: RolloutConfig,
    at: Stage,
    **more: Any,
) -> Verdict:
    """The verdict on these cells."""
    arms = [(a,) if isinstance(a, ArmStep) else tuple(a) for a in (champion, candidate)]
    return judge(Evidence(*arms, **more), settings, at)
