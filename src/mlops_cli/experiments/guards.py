"""What stops a verdict, whatever the rules say: shares that are not as assigned, silent arms, and
a world that got worse for both arms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlops_cli.config.sections.rollout import LATENCIES, RolloutConfig, RuleConfig
from mlops_cli.evaluation import sequential_counts as counts
from mlops_cli.evaluation.sequential import share_p_values
from mlops_cli.experiments.comparisons import Looks
from mlops_cli.experiments.evidence import CANDIDATE, CHAMPION, ArmStep, Evidence, Stage, together
from mlops_cli.experiments.latencies import LATENCY_REQUESTS, QUANTILES, quantile_ms
from mlops_cli.experiments.wording import amount, value

SAMPLE_RATIO = "sample_ratio"
SILENT = "silent"
MISMATCH = 0.01  # chance of ever stopping a rollout whose shares are as assigned
_UNLIKELY = 1e-4  # that an arm which is asked has met nothing yet


def sample_ratio(evidence: Evidence, config: RolloutConfig, stage: Stage) -> str | None:
    """Why the arms did not meet the shares that were assigned; None where it may be chance.

    Of requests, or of distinct keys where a key's requests stay together: heavy keys alone would
    look like a mismatch. The test holds at every look (Lindon and Malek 2022).
    """
    steps = [step for step in stage.compared if step not in stage.mirrored]
    for place, step in enumerate(steps):
        share = stage.percents[step] / 100
        champion, candidate = _units(evidence, config, step)
        if champion + candidate == 0:
            continue
        total = np.array([float(champion + candidate)])
        p = float(share_p_values(np.array([float(candidate)]), total, share)[-1])
        if p <= Looks(MISMATCH, MISMATCH, _planned(config)).of_step(place):
            what = "keys" if config.sticky else "requests"
            return (
                f"sample ratio: {_share(candidate, total[0])} of {int(total[0]):,} {what} of step "
                f"{step + 1} met the candidate, and {share:.3%} were assigned to it (p = {p:.1g}): "
                "what the arms met is not comparable, so nothing is concluded"
            )
    return None


def _planned(config: RolloutConfig) -> int:
    return max(1, sum(weight < 100 for weight in config.weights))


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.3%}"


def _units(evidence: Evidence, config: RolloutConfig, step: int) -> tuple[int, int]:
    if config.sticky:
        found = [evidence.log_at(arm, step) for arm in (CHAMPION, CANDIDATE)]
        champion, candidate = (arm.units if arm else 0 for arm in found)
    else:
        champion, candidate = (evidence.at(a, step).requests for a in (CHAMPION, CANDIDATE))
    return champion, candidate


def silent(evidence: Evidence, stage: Stage) -> str | None:
    """Which arm should have met requests by now, and has met none; None where both have."""
    champion, candidate = (evidence.at(a, stage.step).requests for a in (CHAMPION, CANDIDATE))
    share = stage.percents[stage.step] / 100
    if stage.step not in stage.compared or (champion and candidate):
        return None
    other, of, quiet = (
        (champion, share, CANDIDATE) if champion else (candidate, 1 - share, CHAMPION)
    )
    if stage.step in stage.mirrored and champion:
        of = share
    if not other or other * math.log1p(-min(of, 1 - 1e-9)) > math.log(_UNLIKELY):
        return None
    busy = CHAMPION if quiet == CANDIDATE else CANDIDATE
    return (
        f"the {quiet} is silent: it met no request in this step, and the {busy} {other:,}, "
        f"although {of:.3%} of them should have met the {quiet}"
    )


def worse_than_before(
    evidence: Evidence, rules: Sequence[RuleConfig], stage: Stage, looks: Looks
) -> str | None:
    """In what both arms are surely worse than the champion was before; None: not so."""
    if evidence.before is None or stage.step not in stage.compared:
        return None
    for rule in rules:
        champion, candidate = (
            against(evidence.before, _of(evidence, stage, arm, rule), rule, looks.alpha / 2)
            for arm in (CHAMPION, CANDIDATE)
        )
        if champion and candidate:
            return f"both arms are worse than before the rollout: {champion}; {candidate}"
    return None


def _of(evidence: Evidence, stage: Stage, arm: str, rule: RuleConfig) -> ArmStep:
    if rule.metric in LATENCIES:
        return evidence.at(CHAMPION if arm == CHAMPION else CANDIDATE, stage.step)
    cells = evidence.champion if arm == CHAMPION else evidence.candidate
    return together(cell for cell in cells if cell.step in stage.compared)


def against(
    before: ArmStep, now: ArmStep, rule: RuleConfig, alpha: float, *, surely: bool = True
) -> str | None:
    """How an arm is worse than an earlier one, by a rule on errors or latencies; None: it is not.

    With `surely` also the bounds that hold at every look have to part: of the one at `alpha` / 2,
    of the other at the rest.
    """
    unit = 1.0
    if rule.metric == "error_rate":
        if not before.requests or not now.requests:
            return None
        then, since = before.errors / before.requests, now.errors / now.requests
        parted = float(counts.share_low(_n(now.errors), _n(now.requests), alpha / 2)) > float(
            counts.share_high(_n(before.errors), _n(before.requests), alpha / 2)
        )
    elif rule.metric in LATENCIES:
        q = QUANTILES[rule.metric]
        if min(int(before.histogram.sum()), int(now.histogram.sum())) < LATENCY_REQUESTS:
            return None
        then, since = quantile_ms(before, q), quantile_ms(now, q)
        a, b = (counts.quantile_buckets(x.histogram, q, alpha / 2) for x in (before, now))
        parted = bool(b.low > a.high)
    else:
        return None
    unit = max(then, 1e-12) if rule.bound.relative else 1.0
    if (since - then) / unit <= rule.bound.value or (surely and not parted):
        return None
    more = amount(rule, (since - then) / unit, "")
    return (
        f"{rule.metric} {value(rule.metric, since, '')}, before {value(rule.metric, then, '')}, "
        f"{more} more"
    )


def _n(count: int) -> NDArray[np.float64]:
    return np.asarray(float(count))
