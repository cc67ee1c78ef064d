"""The section `serve`: the settings of a server, which are its environment where it runs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from mlops_cli.config.sections.base import Duration, Section
from mlops_cli.serving.settings import SIZE, Grpc, Limits, Seconds, Settings, size, to_environment

_DEFAULT = Limits()


class LimitsConfig(Section):
    """What clients may take; beyond it they are refused."""

    in_flight: int = Field(
        _DEFAULT.in_flight, ge=1, description="requests read and not yet answered; beyond it 503"
    )
    timeout: Duration = Field(
        timedelta(seconds=_DEFAULT.timeout),
        description="what a client has for a header, for a body, and for taking its answer",
    )
    header: str = Field("64KiB", pattern=SIZE, description="of a URL, and of all headers together")
    connections: int = Field(_DEFAULT.connections, ge=1, description="open ones")

    @field_validator("timeout", "header")
    @classmethod
    def _is_more_than_nothing(cls, value: Any) -> Any:
        if not (value if isinstance(value, timedelta) else size(value)):
            raise ValueError("must be more than 0")
        return value


class GrpcConfig(Section):
    """The Open Inference Protocol over gRPC, beside HTTP."""

    port: int | None = Field(
        None, ge=1, le=65535, description="its port; null: none. Needs the extra grpc"
    )


class ServeConfig(Section):
    """How the server behaves, on every target."""

    workers: int = Field(1, ge=1, le=256, description="processes on one socket")
    keys: str | None = Field(
        None,
        min_length=1,
        description="file of API keys in a folder of its own, relative to the project; without it "
        "whoever reaches the port is answered",
    )
    models: str | None = Field(
        None,
        min_length=1,
        description="folder below which a key for admin may load bundles; default: the project's",
    )
    metrics: Literal["open", "protected"] = Field(
        "open", description="protected: /metrics needs a key, too"
    )
    limits: LimitsConfig = LimitsConfig()
    grpc: GrpcConfig = GrpcConfig()

    def settings(
        self, keys: Path | str | None = None, models: Path | str | None = None
    ) -> Settings:
        """The same as the server reads them.

        `keys` and `models` are where it finds those; without keys nobody loads models.
        """
        limits = self.limits
        return Settings(
            limits=Limits(
                in_flight=limits.in_flight,
                timeout=Seconds(limits.timeout.total_seconds()),
                header=size(limits.header),
                connections=limits.connections,
            ),
            workers=self.workers,
            keys=str(keys or self.keys) if self.keys else None,
            models=str(models or self.models) if self.keys and (models or self.models) else None,
            metrics=self.metrics,
            grpc=Grpc(self.grpc.port),
        )

    def environment(
        self, keys: Path | str | None = None, models: Path | str | None = None
    ) -> dict[str, str]:
        """The variables that give them to a server; none for what is the default."""
        return to_environment(self.settings(keys, models))
