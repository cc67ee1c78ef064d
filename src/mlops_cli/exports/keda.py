"""`mlops export keda`: a ScaledObject in the place of the autoscaler that `deploy` makes."""

from __future__ import annotations

from mlops_cli._templates import render_yaml
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.manifests import values
from mlops_cli.targets.kubernetes.manifests import Spec

_BUSIEST = 0.95  # beyond it the queue has no length that one could ask for


def keda_files(project: Project, spec: Spec) -> Rendered:
    """The ScaledObject. Raises `UsageError` where `deploy` makes an autoscaler of its own."""
    config = spec.config
    where = "deploy.kubernetes.autoscaling"
    if config.autoscaling.by != "keda":
        raise UsageError(
            f"{where}.by is {config.autoscaling.by}: `mlops deploy` makes an autoscaler, and "
            "two of them would each set its own number of pods",
            hint="autoscaling: {by: keda}, then mlops deploy, which takes ours away",
        )
    if not spec.scales:
        raise UsageError(
            f"deploy.kubernetes.replicas.min and max are both {config.replicas.min}: there is "
            "nothing to scale",
            hint="replicas: {min: 2, max: 6}",
        )
    if config.prometheus is None and config.autoscaling.kafka is None:
        raise UsageError(
            "nothing says what KEDA is to ask",
            hint="deploy: {kubernetes: {prometheus: http://prometheus.monitoring:9090}}, or "
            "autoscaling: {kafka: {brokers: [kafka:9092], topic: T, group: G}}",
        )
    query = f'sum(avg_over_time(mlops_requests_in_flight{{job="{spec.project}"}}[1m]))'
    text = render_yaml(
        "keda/scaled-object.yaml.j2",
        **values(spec),
        prometheus=config.prometheus,
        query=query,
        in_flight=f"{in_flight(config.autoscaling.cpu, project.config.serve.workers):.3g}",
        kafka=config.autoscaling.kafka,
    )
    return Rendered({"scaled-object.yaml": text})


def in_flight(busy: int, workers: int) -> float:
    """How many requests are under way in a pod whose workers are `busy` percent of the time.

    Of a queue with random arrivals (M/M/1) it is rho / (1 - rho) for each worker.
    """
    rho = min(busy / 100, _BUSIEST)
    return workers * rho / (1 - rho)
