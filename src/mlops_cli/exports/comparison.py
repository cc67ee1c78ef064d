"""Rules of a rollout as queries of Prometheus: each answers 0, or what is wrong where it surely is.

Two versions are compared by what their pods export. A number of looks is fixed beforehand, so that
`alpha` can be divided by it (Bonferroni): that is what makes a look at every minute harmless, and
what makes it slower than the judge of `mlops rollout`, whose intervals need no such number.
Shares are compared by Anscombe's arcsine (Biometrika 35, 1948), quantiles by the normal bounds of
their order statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from mlops_cli.config.sections.rollout import RuleConfig

_QUANTILES = {"latency_p50": 0.5, "latency_p99": 0.99}
CANDIDATE = "{{args.version}}"  # as a template of Argo Rollouts has it
_NO_VERSION = "none|other"
_BUCKETS = "mlops_request_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of which job (the project's name), over how long (`1h`), and by how many standard errors."""

    job: str
    window: str
    errors: float = 0.0
    candidate: str = CANDIDATE

    @property
    def requests(self) -> str:
        """How many requests the candidate answered in the window."""
        return f"{self._asked(self._own)} or vector(0)"

    def query(self, rule: RuleConfig) -> str | None:
        """What answers more than 0 where the rule is surely broken; None where nothing tells."""
        if rule.metric == "error_rate":
            return f"({self._more_errors(rule)}) or vector(0)"
        if rule.metric in _QUANTILES:
            return f"({self._slower(rule, _QUANTILES[rule.metric])}) or vector(0)"
        return None

    @property
    def _own(self) -> str:
        return f'job="{self.job}",version="{self.candidate}"'

    @property
    def _champion(self) -> str:
        return f'job="{self.job}",version!~"{self.candidate}|{_NO_VERSION}"'

    def _asked(self, of: str) -> str:
        return f"sum(increase(mlops_requests_total{{{of}}}[{self.window}]))"

    def _failed(self, of: str) -> str:
        asked = f'sum(increase(mlops_requests_total{{{of},code=~"5.."}}[{self.window}]))'
        return f"({asked} or vector(0))"

    def _more_errors(self, rule: RuleConfig) -> str:
        new, old = self._own, self._champion
        share, before = (f"{self._failed(of)} / {self._asked(of)}" for of in (new, old))
        bound = rule.bound
        most = (
            f"{1 + bound.value:g} * {before}" if bound.relative else f"{before} + {bound.value:g}"
        )
        angle, angle_before = (
            f"asin(sqrt(({self._failed(of)} + 0.375) / ({self._asked(of)} + 0.75)))"
            for of in (new, old)
        )
        spread = " + ".join(f"1 / ({self._asked(of)} + 0.5)" for of in (new, old))
        surely = f"2 * ({angle} - {angle_before}) / sqrt({spread}) > {self.errors:.4g}"
        return f"{share} > {most} and {surely}"

    def _slower(self, rule: RuleConfig, quantile: float) -> str:
        new, old = self._own, self._champion
        bound = rule.bound
        before = self._quantile(old, f"{quantile:g}")
        most = (
            f"{1 + bound.value:g} * {before}"
            if bound.relative
            else f"{before} + {bound.value / 1000:g}"
        )
        low = self._quantile(new, f"scalar(clamp_min({self._rank(new, quantile, '-')}, 0))")
        high = self._quantile(old, f"scalar(clamp_max({self._rank(old, quantile, '+')}, 1))")
        return f"{self._quantile(new, f'{quantile:g}')} > {most} and {low} > {high}"

    def _rank(self, of: str, quantile: float, sign: str) -> str:
        spread = quantile * (1 - quantile)
        return f"{quantile:g} {sign} {self.errors:.4g} * sqrt({spread:g} / {self._asked(of)})"

    def _quantile(self, of: str, rank: str) -> str:
        rate = f'rate({_BUCKETS}{{job="{self.job}"}}[{self.window}])'
        mine = f"max by (job, instance) (mlops_model_info{{{of}}})"
        buckets = f"sum by (le) ({rate} * on (job, instance) group_left () {mine})"
        return f"histogram_quantile({rank}, {buckets})"


def standard_errors(alpha: float, looks: int, rules: Sequence[RuleConfig]) -> float:
    """How many standard errors a difference has, by chance `alpha` in all looks of all rules."""
    return NormalDist().inv_cdf(1 - alpha / max(1, looks * len(rules)))
