"""The section `serve`: the settings of a server, which are its environment where it runs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mlops_cli.config.sections.base import Duration, Section
from mlops_cli.serving.settings import (
    ALL,
    CACHE,
    SIZE,
    Grpc,
    Limits,
    Log,
    Names,
    Rotate,
    Seconds,
    Settings,
    TlsPair,
    size,
    to_environment,
)

_DEFAULT = Limits()
_LOG = Log()


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
        return _more_than_nothing(value)


class RotateConfig(Section):
    """When a segment of the prediction log is closed, and can be collected."""

    size: str = Field("64MB", pattern=SIZE, description="at this size")
    every: Duration = Field(
        timedelta(seconds=_LOG.rotate.every), description="so long after its first line"
    )

    @field_validator("size", "every")
    @classmethod
    def _is_more_than_nothing(cls, value: Any) -> Any:
        return _more_than_nothing(value)


class LogConfig(Section):
    """The prediction log of what is deployed: what is kept of requests, and how long."""

    sample: float = Field(_LOG.sample, ge=0, le=1, description="the share of requests")
    columns: Literal["all"] | tuple[str, ...] = Field("all", description="the inputs that are kept")
    hash: tuple[str, ...] = Field((), description="columns of which a digest is kept")
    leave_out: tuple[str, ...] = Field((), description="columns that are not kept")
    dir: str | None = Field(
        None,
        description="a folder of this machine, relative to the project; default: .mlops/local/log; "
        "a container has its own",
    )
    max: str = Field("1GB", pattern=SIZE, description="of all segments together; the oldest goes")
    rotate: RotateConfig = RotateConfig()
    to: str | None = Field(
        None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]*)?$",
        description="where closed segments are uploaded, such as s3://bucket/prefix (extra s3)",
    )

    @field_validator("max")
    @classmethod
    def _is_more_than_nothing(cls, value: Any) -> Any:
        return _more_than_nothing(value)

    @model_validator(mode="after")
    def _a_segment_has_room(self) -> LogConfig:
        if size(self.max) < size(self.rotate.size):
            raise ValueError(f"max ({self.max}) is less than rotate.size ({self.rotate.size})")
        return self

    def settings(self, folder: str | None) -> Log:
        """The same as the server reads them; the log stands in `folder`."""
        return Log(
            sample=self.sample,
            columns=ALL if self.columns == "all" else Names(self.columns),
            hash=Names(self.hash),
            leave_out=Names(self.leave_out),
            dir=folder,
            max=size(self.max),
            rotate=Rotate(size(self.rotate.size), Seconds(self.rotate.every.total_seconds())),
            to=self.to,
        )


class GrpcConfig(Section):
    """The Open Inference Protocol over gRPC, beside HTTP."""

    port: int | None = Field(
        None, ge=1, le=65535, description="its port; null: none. Needs the extra grpc"
    )


class TlsConfig(Section):
    """The certificate by which a server on this machine answers https."""

    cert: str = Field(
        min_length=1, description="its file in PEM, relative to the project, with those above it"
    )
    key: str = Field(min_length=1, description="the file of its key in PEM, without a password")


class ServeConfig(Section):
    """How the server behaves, on every target."""

    workers: int = Field(1, ge=1, le=256, description="processes on one socket")
    keys: str | None = Field(
        None,
        min_length=1,
        description="file of API keys in a folder of its own, relative to the project; without it "
        "whoever reaches the port is answered",
    )
    tls: TlsConfig | None = Field(None, description="null: http, not https")
    models: str | None = Field(
        None,
        min_length=1,
        description="folder below which a key for admin may load bundles; default: the project's",
    )
    trust: str | None = Field(
        None,
        min_length=1,
        description="file of public keys in PEM, relative to the project: a bundle that none of "
        "them signed is not served",
    )
    metrics: Literal["open", "protected"] = Field(
        "open", description="protected: /metrics needs a key, too"
    )
    cache: str | None = Field(
        None,
        pattern=CACHE,
        description="what was predicted is kept: memory:10000 (events, in each worker), or "
        "redis://host:6379/0 (extra redis); a password as ${VAR}, which the server fills in",
    )
    limits: LimitsConfig = LimitsConfig()
    grpc: GrpcConfig = GrpcConfig()
    log: LogConfig | None = Field(LogConfig(), description="null: no prediction log")

    def settings(
        self,
        keys: Path | str | None = None,
        models: Path | str | None = None,
        *,
        log: str | None = None,
        tls: TlsPair | None = None,
        control: str | None = None,
    ) -> Settings:
        """The same as the server reads them.

        `keys` and `models` are where it finds those, `control` the file of the control secret;
        without it and keys nobody loads models. `log` is the prediction log's folder, `tls` where
        the pair is found. `trust` is the project's own word for the file.
        """
        models = (models or self.models) if self.keys or control else None
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
            models=str(models) if models else None,
            control=control,
            trust=self.trust,
            tls=(tls or TlsPair(self.tls.cert, self.tls.key)) if self.tls else TlsPair(),
            metrics=self.metrics,
            cache=self.cache,
            grpc=Grpc(self.grpc.port),
            log=self.log.settings(log) if self.log is not None else None,
        )

    def environment(
        self,
        keys: Path | str | None = None,
        models: Path | str | None = None,
        *,
        log: str | None = None,
        tls: TlsPair | None = None,
        control: str | None = None,
    ) -> dict[str, str]:
        """The variables that give them to a server; none for what is the default."""
        return to_environment(self.settings(keys, models, log=log, tls=tls, control=control))


def _more_than_nothing(value: Any) -> Any:
    if not (value if isinstance(value, timedelta) else size(value)):
        raise ValueError("must be more than 0")
    return value
