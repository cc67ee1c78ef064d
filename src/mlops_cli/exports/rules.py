"""Rules for Prometheus, made from `monitor.alerts` as far as the service's own metrics show it.

Each rule brings what promtool needs to try it: series for which it fires, and for which it must
not. Latencies and errors are those of a minute, as `mlops monitor` has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from mlops_cli.alerts.text import figure
from mlops_cli.config.conditions import LATENCIES, Condition
from mlops_cli.config.project import Project
from mlops_cli.config.sections.alerts import AlertConfig
from mlops_cli.serving.metrics import BUCKETS

_FIRING = "mlops_monitor_firing"  # of `mlops monitor --push` or `--textfile`
_SECONDS = "mlops_request_seconds"
_QUANTILES: Mapping[str, float] = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
_STEPS = 8 * 60 * 4  # of 15 s each
_FLOWS, _STANDS, _IS_ONE = (f"{way}x{_STEPS}" for way in ("0+15", "0", "1"))
_LONG, _SHORT = 15 * 3600.0, 0.0015  # seconds that the 15 requests of a step take together
_LATENCY = AlertConfig.model_validate({"when": "latency_p99 > 200ms", "for": "5m"})
_ERRORS = AlertConfig.model_validate({"when": "error_rate > 5%", "for": "5m"})


@dataclass(frozen=True, slots=True)
class Series:
    """A series as promtool writes it: its name with labels, and its values, 15 s each."""

    series: str
    values: str


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert, the series that make it fire within `at` minutes, and the labels it has then."""

    alert: str
    expr: str
    summary: str
    sick: Sequence[Series]
    lasts: timedelta = timedelta(0)
    severity: str = "warning"
    labels: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    at: int = 10
    always: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    """A figure that is computed once, and asked for by its name."""

    record: str
    expr: str


def recordings(job: str) -> list[Recording]:
    """The figures of the service that alerts and dashboard ask for."""
    of = _of(job)
    requests = f"sum by (job) (rate(mlops_requests_total{of}[1m]))"
    failed = f'sum by (job) (rate(mlops_requests_total{{job="{job}",code=~"5.."}}[1m]))'
    quantiles = [
        Recording(
            f"mlops:request_seconds:{name.removeprefix('latency_')}",
            f"histogram_quantile({q}, sum by (job, le) (rate({_SECONDS}_bucket{of}[1m])))",
        )
        for name, q in _QUANTILES.items()
    ]
    seconds, count = (f"sum by (job) (rate({_SECONDS}_{n}{of}[1m]))" for n in ("sum", "count"))
    return [
        *quantiles,
        Recording("mlops:request_seconds:mean", f"{seconds} / {count}"),
        Recording("mlops:requests:rate", requests),
        Recording("mlops:errors:share", f"({failed} or 0 * {requests}) / {requests}"),
    ]


def rules(project: Project) -> list[Rule]:
    """The alerts: those of `monitor.alerts` that the service shows, then what goes for all."""
    job = project.config.project
    asked = [a for a in project.config.monitor.alerts if _visible(a.condition)]
    metrics = [alert.condition.metric for alert in asked]
    if not any(metric in LATENCIES for metric in metrics):
        asked.append(_LATENCY)
    if "error_rate" not in metrics:
        asked.append(_ERRORS)
    found: list[Rule] = []
    for rule in (*(_of_alert(alert, job) for alert in asked), *_always(job)):
        same = sum(other.alert.partition("_")[0] == rule.alert for other in found)
        found.append(replace(rule, alert=f"{rule.alert}_{same + 1}") if same else rule)
    return found


def told_elsewhere(project: Project) -> list[str]:
    """The conditions that only `mlops monitor` sees."""
    found = (alert.condition for alert in project.config.monitor.alerts)
    return [condition.text for condition in found if not _visible(condition)]


def healthy(job: str) -> list[Series]:
    """A service that does its work: for it no rule fires."""
    up = f'{{job="{job}",instance="i"}}'
    fast = dict.fromkeys(BUCKETS, _FLOWS)
    return [
        Series(f"up{up}", _IS_ONE),
        *_histogram(job, fast, _FLOWS, seconds=f"0+{_SHORT:g}x{_STEPS}"),
        Series(_requests(job, "200"), _FLOWS),
        Series(f'mlops_log_lines_total{{job="{job}",instance="i",outcome="written"}}', _FLOWS),
        Series(f'mlops_log_lines_total{{job="{job}",instance="i",outcome="dropped"}}', _STANDS),
        Series(f'{_FIRING}{{project="{job}",when="drift",target="local",key="k"}}', _STANDS),
    ]


def _visible(condition: Condition) -> bool:
    if condition.of_baseline:
        return False
    if condition.metric in _QUANTILES:  # beyond its buckets a histogram shows nothing
        return BUCKETS[0] <= condition.bound / 1000 < BUCKETS[-1]
    return condition.metric in ("latency_mean", "error_rate")


def _of_alert(alert: AlertConfig, job: str) -> Rule:
    condition = alert.condition
    if condition.metric == "error_rate":
        name, record, bound = "MlopsErrorRate", "mlops:errors:share", condition.bound
    else:
        part = condition.metric.removeprefix("latency_")
        name, record = f"MlopsLatency{part.capitalize()}", f"mlops:request_seconds:{part}"
        bound = condition.bound / 1000
    shown = figure(condition.metric, condition.bound)
    side = "above" if condition.above else "below"
    return Rule(
        alert=name,
        expr=f"{record}{_of(job)} {condition.sign} {bound:.12g}",
        summary=f"{job}: {condition.metric} is {side} {shown}",
        sick=_sick(condition, job),
        lasts=alert.for_,
        labels={"when": condition.text},
        found={"job": job},
        at=int(alert.for_.total_seconds() // 60) + 10,
        always=not condition.above,
    )


def _sick(condition: Condition, job: str) -> list[Series]:
    if condition.metric == "error_rate":
        all_fail = condition.above
        return [
            Series(_requests(job, "500"), _FLOWS if all_fail else _STANDS),
            Series(_requests(job, "200"), _STANDS if all_fail else _FLOWS),
        ]
    counts = dict.fromkeys(BUCKETS, _STANDS if condition.above else _FLOWS)
    seconds = f"0+{_LONG if condition.above else _SHORT:g}x{_STEPS}"
    return _histogram(job, counts, _FLOWS, seconds=seconds)


def _always(job: str) -> Iterator[Rule]:
    of, up = _of(job), f'up{{job="{job}",instance="i"}}'
    lines = "mlops_log_lines_total"
    yield Rule(
        alert="MlopsServiceDown",
        expr=f"up{of} == 0 or absent(up{of})",
        summary=f"{job}: the service does not answer, or nobody scrapes it",
        sick=[Series(up, _STANDS)],
        lasts=timedelta(minutes=2),
        severity="critical",
        found={"job": job, "instance": "i"},
    )
    yield Rule(
        alert="MlopsServiceRestarts",
        expr=f"resets({_SECONDS}_count{of}[15m]) > 2",
        summary=f"{job}: the service began anew more than twice in 15 minutes",
        sick=[Series(f'{_SECONDS}_count{{job="{job}",instance="i"}}', "5 0 5 0 5 0 5 0 5 0 5")],
        found={"job": job, "instance": "i"},
        at=2,
    )
    yield Rule(
        alert="MlopsLogLinesDropped",
        expr=f'increase({lines}{{job="{job}",outcome="dropped"}}[15m]) > 0',
        summary=f"{job}: lines of the prediction log were not kept; monitoring does not see them",
        sick=[Series(f'{lines}{{job="{job}",instance="i",outcome="dropped"}}', f"0+1x{_STEPS}")],
        found={"job": job, "instance": "i", "outcome": "dropped"},
    )
    yield Rule(
        alert="MlopsMonitorFires",
        expr=f'{_FIRING}{{project="{job}"}} == 1',
        summary=f"{job}: mlops monitor found it; mlops alerts list shows more",
        sick=[Series(f'{_FIRING}{{project="{job}",when="drift",target="local",key="k"}}', _IS_ONE)],
        found={"project": job, "when": "drift", "target": "local", "key": "k"},
    )


def _histogram(job: str, counts: Mapping[float, str], count: str, *, seconds: str) -> list[Series]:
    def series(name: str, more: str, values: str) -> Series:
        return Series(f'{_SECONDS}_{name}{{job="{job}",instance="i"{more}}}', values)

    return [
        *(series("bucket", f',le="{limit}"', values) for limit, values in counts.items()),
        series("bucket", ',le="+Inf"', count),
        series("count", "", count),
        series("sum", "", seconds),
    ]


def _requests(job: str, code: str) -> str:
    return f'mlops_requests_total{{job="{job}",instance="i",code="{code}"}}'


def _of(job: str) -> str:
    return f'{{job="{job}"}}'
