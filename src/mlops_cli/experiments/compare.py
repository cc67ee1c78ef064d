"""Each rule by what it is about: errors, latencies, means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mlops_cli.config.sections.rollout import LABEL, LATENCIES, MEAN, RolloutConfig, RuleConfig
from mlops_cli.evaluation import sequential_difference as exact
from mlops_cli.experiments.comparisons import Compared, Looks, unit_of
from mlops_cli.experiments.evidence import CANDIDATE, CHAMPION, ArmStep, Evidence, Stage
from mlops_cli.experiments.latencies import latencies
from mlops_cli.experiments.means import logged, means, predictions


def compare(
    rule: RuleConfig, evidence: Evidence, config: RolloutConfig, stage: Stage, looks: Looks
) -> Compared:
    """What a rule has to say by now."""
    if rule.metric in LATENCIES:
        return latencies(rule, evidence, config, stage, looks)
    if config.sticky or rule.metric == LABEL:
        return logged(rule, evidence, config, stage, looks)
    if rule.metric == MEAN:
        return means(rule, predictions(evidence, stage), config, stage, looks)
    return _errors(rule, evidence, stage, looks)


def strata_of(evidence: Evidence, stage: Stage) -> exact.Strata | None:
    """Requests and errors of both arms by step; None where no step has both."""
    steps = [s for s in stage.compared if _both(evidence, s)]
    if not steps:
        return None
    cells = [(evidence.at(CANDIDATE, s), evidence.at(CHAMPION, s)) for s in steps]
    mirrored = np.array([s in stage.mirrored for s in steps])
    share = np.array([stage.percents[s] / 100 for s in steps])
    seen = np.array([min(1.0, a.requests / b.requests) for a, b in cells])
    return exact.Strata(
        candidate=_column(cells, lambda pair: pair[0].requests),
        champion=_column(cells, lambda pair: pair[1].requests),
        lost_by_candidate=_column(cells, lambda pair: pair[0].errors),
        lost_by_champion=_column(cells, lambda pair: pair[1].errors),
        share=np.where(mirrored, seen, share),  # what was dropped was mirrored to nobody
        mirrored=mirrored,
    )


Cells = tuple[ArmStep, ArmStep]


def _column(cells: Sequence[Cells], of: Callable[[Cells], int]) -> NDArray[np.float64]:
    return np.array([of(pair) for pair in cells], np.float64)


def _both(evidence: Evidence, step: int) -> bool:
    return all(evidence.at(arm, step).requests for arm in (CHAMPION, CANDIDATE))


def _errors(rule: RuleConfig, evidence: Evidence, stage: Stage, looks: Looks) -> Compared:
    strata = strata_of(evidence, stage)
    if strata is None:
        return Compared(rule, missing="requests of both arms in one step")
    champion, candidate = (float(rate) for rate in strata.rates)
    unit = unit_of(rule, champion)
    low = float(exact.low(strata, looks.alpha))
    return Compared(
        rule,
        champion=champion,
        candidate=candidate,
        estimate=(candidate - champion) / unit,
        low=low / unit,
        most=float(exact.high(strata, looks.all_of_it)) / unit,
        sure=low > 0,
    )
