"""`mlops export argo-rollouts`: a Rollout in the place of the Deployment, and its judge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mlops_cli._templates import render_yaml
from mlops_cli.bundle.manifest import short
from mlops_cli.config.sections.rollout import RolloutConfig, RuleConfig
from mlops_cli.errors import UsageError
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.comparison import Comparison, standard_errors
from mlops_cli.exports.manifests import deployment, others, read, values, written
from mlops_cli.targets.kubernetes.manifests import Spec

_SOONEST, _LATEST = timedelta(seconds=15), timedelta(minutes=5)  # between two looks
_HOUR = timedelta(hours=1)
_PATIENCE = 30  # measurements in a row, 10 s each, that Prometheus may not answer
_VERSION = "argoproj.io/v1alpha1"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the section asks, in whole percent and seconds."""

    config: RolloutConfig
    rules: dict[RuleConfig, str]
    interval: int
    looks: int  # at most, of one step
    window: str

    @property
    def weights(self) -> list[int]:
        steps = self.config.steps[:1] if self.config.strategy == "ab" else self.config.steps
        return [percent for step in steps if (percent := math.ceil(step)) < 100]


def argo_rollouts_files(spec: Spec, config: RolloutConfig) -> Rendered:
    """The objects, a file each. Raises `UsageError` for what no Rollout can do."""
    _refuse(config)
    prometheus = spec.config.prometheus
    if prometheus is None:
        raise UsageError(
            "Prometheus is asked the rules of deploy.rollout.judge, and nothing says where it is",
            hint="deploy: {kubernetes: {prometheus: http://prometheus.monitoring:9090}}",
        )
    plan = _plan(spec, config)
    given = values(spec) | {"plan": plan, "version": short(spec.digest)}
    given |= {"prometheus": prometheus, "patience": _PATIENCE, "judge": config.judge}
    given |= {"rules": [_metric(rule, query) for rule, query in plan.rules.items()]}
    given |= {"requests": Comparison(spec.project, _seconds(config.judge.max_time)).requests}
    given |= {"enough": "result[0] >= {{args.requests}}"}
    strategy = render_yaml("argo-rollouts/strategy.yaml.j2", **given, green=_green(config))
    files = others(spec, "ServiceAccount", "NetworkPolicy", "Service")
    if _green(config):
        service = read(files["service.yaml"])
        service["metadata"]["name"] += "-preview"
        files["service-preview.yaml"] = written(service)
    else:
        files["analysis.yaml"] = render_yaml("argo-rollouts/analysis.yaml.j2", **given)
    files["rollout.yaml"] = _rollout(spec, read(strategy))
    files |= others(spec, "PodDisruptionBudget") | _autoscaler(spec)
    listed = render_yaml("kubernetes/kustomization.yaml.j2", files=list(files))
    return Rendered(files | {"kustomization.yaml": listed}, tuple(_remarks(spec, config, plan)))


def _green(config: RolloutConfig) -> bool:
    return config.strategy == "blue_green"


def _refuse(config: RolloutConfig) -> None:
    ours = "let the service itself divide: mlops deploy"
    for name in ("sticky", "segment", "testers"):
        if getattr(config, name):
            raise UsageError(
                f"Argo Rollouts divides by weights alone: it cannot keep to deploy.rollout.{name}",
                hint=f"leave {name} out, or {ours}",
            )
    if config.strategy == "shadow":
        raise UsageError("pods divide requests, and mirror none: deploy.rollout.strategy is shadow",
                         hint=f"canary or blue_green, or {ours}")  # fmt: skip


def _plan(spec: Spec, config: RolloutConfig) -> _Plan:
    interval = min(max(config.hold / 5, _SOONEST), _LATEST)
    looks = math.ceil(config.judge.max_time / interval)
    window = _seconds(max(config.hold, _HOUR))
    steps = len(config.steps)
    errors = standard_errors(config.judge.alpha, looks * steps, config.judge.rules)
    compared = Comparison(spec.project, window, errors)
    asked = ((rule, compared.query(rule)) for rule in config.judge.rules)
    rules = {rule: query for rule, query in asked if query is not None}
    return _Plan(config, rules, round(interval.total_seconds()), looks, window)


def _seconds(time: timedelta) -> str:
    return f"{round(time.total_seconds())}s"


def _metric(rule: RuleConfig, query: str) -> dict[str, Any]:
    pauses = rule.then == "pause"
    name = rule.metric.replace("_", "-") + ("-pause" if pauses else "")
    return {"name": name, "query": query, "pauses": pauses}


def _rollout(spec: Spec, strategy: Any) -> str:
    """The Deployment as a Rollout: the same pods, by another controller's name for their hash."""
    thing = deployment(spec)
    thing["apiVersion"], thing["kind"] = _VERSION, "Rollout"
    thing["spec"]["strategy"] = strategy
    if spec.scales and "HorizontalPodAutoscaler" not in spec.kinds:
        thing["spec"]["replicas"] = spec.config.replicas.min  # KEDA's object is for the Deployment
    for spread in thing["spec"]["template"]["spec"].get("topologySpreadConstraints", ()):
        keys = spread.get("matchLabelKeys", ())
        spread["matchLabelKeys"] = [
            f"rollouts-{k}" if k == "pod-template-hash" else k for k in keys
        ]
    return written(thing)


def _autoscaler(spec: Spec) -> dict[str, str]:
    files = others(spec, "HorizontalPodAutoscaler")
    for name, text in files.items():
        thing = read(text)
        thing["spec"]["scaleTargetRef"] |= {"apiVersion": _VERSION, "kind": "Rollout"}
        files[name] = written(thing)
    return files


def _remarks(spec: Spec, config: RolloutConfig, plan: _Plan) -> Iterator[str]:
    yield (
        f"a Rollout and the Deployment of `mlops deploy` would both serve as {spec.name}: "
        "end that one first (mlops deploy --stop)"
    )
    if config.strategy == "rolling":
        yield "deploy.rollout.strategy is rolling: written as the canary of deploy.rollout.steps"
    if _green(config):
        yield "nothing is judged before the switch: Argo Rollouts mirrors no requests"
        return
    least, most = 1 / (spec.config.replicas.min + 1), min(plan.weights, default=100) / 100
    if least > most:
        yield (
            f"a weight is a share of the pods: beside {spec.config.replicas.min} of them the first "
            f"step is {least:.0%} of the requests, and not {most:.0%}"
        )
    if any(step != int(step) for step in config.steps):
        yield "weights are whole percent: parts of one are rounded up"
    for rule in config.judge.rules:
        if rule not in plan.rules:
            yield f"the service exports nothing to judge {rule.metric} by: that rule is left out"
    if config.judge.prove or any(rule.prove for rule in config.judge.rules):
        yield "nothing is proved (prove): a step ends where no rule is broken"
    if config.judge.inconclusive == "promote":
        yield "with too few requests after max_time it pauses: Argo Rollouts cannot promote then"
