"""The section `deploy`, and its part `docker`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlops_cli.config.sections.base import ImageRegistry, Port, Section, one_of
from mlops_cli.config.sections.governance import Region
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.config.sections.rollout import RolloutConfig, WatchConfig
from mlops_cli.serving.contract import PORT


class DockerConfig(Section):
    """What the container of the target `docker` may use."""

    memory: str = Field("1g", pattern=r"^[1-9]\d*[kmg]$", description="such as 512m or 2g")
    cpus: float = Field(2.0, ge=0.01, le=1024, description="at most what the engine has")
    restart: Literal["no", "on-failure", "always", "unless-stopped"] = "unless-stopped"


SecretName = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]


class DeployConfig(Section):
    """Where the champion answers."""

    target: Annotated[str, one_of("target", "local", "docker", "kubernetes")] = Field(
        "local",
        pattern=r"^[a-z][\w-]*$",
        description="local, docker, kubernetes, or the name of one that another package brings",
    )
    host: str = Field("127.0.0.1", pattern=r"^[\w.:-]+$")
    port: Port = PORT
    registry: ImageRegistry | None = Field(
        None, description="where `package --push` pushes to, such as registry.example.com/team"
    )
    secrets: tuple[SecretName, ...] = Field(
        (), description="variables of the environment that the server gets, and no other"
    )
    regions: dict[str, Region] = Field(
        default_factory=dict,
        description="where each target is, such as {local: eu, kubernetes: eu-west-1}: asked for "
        "by governance.residency",
    )
    docker: DockerConfig = DockerConfig()
    kubernetes: KubernetesConfig = KubernetesConfig()
    rollout: RolloutConfig = RolloutConfig()
    watch: WatchConfig | None = Field(
        None, description="such as {for: 24h}: rolls back by itself after the rollout, too"
    )

    @model_validator(mode="after")
    def _the_gateway_can_do_it(self) -> DeployConfig:
        if self.kubernetes.router != "gateway":
            return self
        if self.rollout.strategy == "shadow":
            raise ValueError(
                "kubernetes.router: gateway mirrors nothing that could be relied on: a rollout "
                "with strategy shadow needs router: process"
            )
        if asked := [key for key in ("segment", "sticky") if getattr(self.rollout, key)]:
            raise ValueError(
                f"kubernetes.router: gateway does not read events, and rollout.{asked[0]} is "
                "about what stands in them: use router: process"
            )
        return self
