"""The section `deploy.kubernetes` of `mlops.yaml`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlops_cli.config.sections.base import Duration, ImageRegistry, Port, Section
from mlops_cli.config.sections.quantity import Cpu, Memory, amount

DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]

Broker = Annotated[str, Field(pattern=r"^[\w.\[\]:-]+:\d{1,5}$")]


class ReplicasConfig(Section):
    """How many pods; where `min` is below `max`, the load decides."""

    min: int = Field(2, ge=1, le=1000)
    max: int = Field(6, ge=1, le=1000)

    @model_validator(mode="after")
    def _are_in_order(self) -> ReplicasConfig:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self


class KafkaConfig(Section):
    """The consumer group whose lag tells how much waits; it asks the service for each message."""

    brokers: tuple[Broker, ...] = Field(min_length=1)
    topic: str = Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")
    group: str = Field(pattern=r"^[^\s\x00-\x1f]{1,255}$")
    lag: int = Field(1000, ge=1, description="messages that may wait for each pod")


class AutoscalingConfig(Section):
    """When pods are added and taken away."""

    cpu: int = Field(70, ge=1, le=1000, description="mean use, in percent of the CPU requested")
    scale_down_after: Duration = Field(
        timedelta(minutes=5), le=timedelta(hours=1), description="low load for so long: fewer pods"
    )
    by: Literal["cpu", "keda"] = Field(
        "cpu", description="keda: it decides (mlops export keda), and deploy makes no autoscaler"
    )
    kafka: KafkaConfig | None = Field(None, description="what KEDA asks, beside Prometheus")


class ServiceConfig(Section):
    """Where the pods are reached: in the cluster (ClusterIP), or on every node (NodePort)."""

    type: Literal["ClusterIP", "NodePort"] = "ClusterIP"
    port: Port = 80
    node_port: Port | None = Field(None, description="default: the cluster chooses one")

    @model_validator(mode="after")
    def _node_port_has_its_type(self) -> ServiceConfig:
        if self.node_port is not None and self.type != "NodePort":
            raise ValueError("node_port is for `type: NodePort`")
        return self


class Amounts(Section):
    """CPU in cores (`250m` is a quarter) and memory in bytes (`512Mi`)."""

    cpu: Cpu
    memory: Memory


class ResourcesConfig(Section):
    """What a pod is promised, and what it may take."""

    requests: Amounts = Amounts(cpu="250m", memory="256Mi")
    limits: Amounts = Amounts(cpu="1", memory="1Gi")

    @model_validator(mode="after")
    def _are_in_order(self) -> ResourcesConfig:
        for what in ("cpu", "memory"):
            asked, most = getattr(self.requests, what), getattr(self.limits, what)
            if amount(asked) > amount(most):
                raise ValueError(f"requests.{what} ({asked}) is above limits.{what} ({most})")
        return self


class GatewayConfig(Section):
    """The Gateway API route by which a rollout's versions share the traffic."""

    class_: str | None = Field(
        None,
        alias="class",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$",
        description="the GatewayClass of the cluster, for a Gateway of our own",
    )
    host: str = Field(
        pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$",
        description="the name that clients ask for",
    )
    port: Port = Field(80, description="of the listener")
    name: ObjectName | None = Field(
        None, description="a Gateway that is there, to be joined; null: one of our own"
    )

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> GatewayConfig:
        if self.class_ is None and self.name is None:
            raise ValueError("a gateway needs `class`, or the `name` of one that is there")
        return self


class KubernetesConfig(Section):
    """How the target `kubernetes` is reached, and what runs there."""

    namespace: DnsLabel = "default"
    context: str | None = Field(None, description="of the kubeconfig; default: the current one")
    replicas: ReplicasConfig = ReplicasConfig()
    autoscaling: AutoscalingConfig = AutoscalingConfig()
    service: ServiceConfig = ServiceConfig()
    resources: ResourcesConfig = ResourcesConfig()
    timeout: Duration = Field(
        timedelta(minutes=5), ge=timedelta(seconds=5), description="for a version to come up"
    )
    prometheus: str | None = Field(
        None,
        pattern=r"^https?://[^\s@]+$",
        description="where it answers in the cluster, for KEDA and Argo Rollouts: "
        "http://prometheus.monitoring:9090",
    )
    registry: ImageRegistry | None = Field(None, description="push the image here")
    load: str | None = Field(
        None,
        pattern=r"\{image\}",
        description="or run this, without a shell: kind load docker-image {image}",
    )
    image: str | None = Field(
        None,
        pattern=r"^[\w][\w./:@-]*$",
        max_length=500,
        description="or use this one, already there (one of the three)",
    )
    pull_secret: ObjectName | None = Field(
        None, description="the Secret with the login for the image's registry"
    )
    router: Literal["process", "gateway"] = Field(
        "process",
        description="who shares the traffic of a rollout: the pods themselves, or a Gateway API "
        "route between two Deployments",
    )
    gateway: GatewayConfig | None = Field(None, description="of router: gateway")

    @model_validator(mode="after")
    def _has_one_way_for_the_image(self) -> KubernetesConfig:
        ways = ("registry", "load", "image")
        if len(given := [way for way in ways if getattr(self, way) is not None]) > 1:
            raise ValueError(f"{' and '.join(given)} are given: choose one way for the image")
        return self

    @model_validator(mode="after")
    def _has_its_gateway(self) -> KubernetesConfig:
        if self.router == "gateway" and self.gateway is None:
            raise ValueError("router: gateway needs `gateway`, such as {class: NAME, host: NAME}")
        return self
