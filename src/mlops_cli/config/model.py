"""The sections of `mlops.yaml`; the published JSON Schema is made from these classes."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from mlops_cli.config.kubernetes import KubernetesConfig
from mlops_cli.config.metrics import METRICS
from mlops_cli.config.section import Duration, ImageRegistry, Port, ProjectPath, Section, Share

_TARGET = re.compile(r'^\s*(?:"([^"]+)"|([^\W\d]\w*))\s*=(?!=)\s*(\S.*?)\s*$', re.S)


class DataConfig(Section):
    """The table that events come from, and what is predicted of them."""

    table: ProjectPath
    target: str = Field(min_length=1, description="a column, or `name = expression`")
    time: str | None = Field(None, description="the column that says when an event happened")

    @property
    def target_name(self) -> str:
        """The name of what is predicted."""
        match = _TARGET.match(self.target)
        return (match[1] or match[2]) if match else self.target.strip()

    @property
    def target_expression(self) -> str | None:
        """The expression behind the target; None where the target is a column."""
        match = _TARGET.match(self.target)
        return match[3] if match else None


class ValidateConfig(Section):
    """How the table is held to its contract."""

    contract: ProjectPath | None = Field(
        None, description="the contract's file; default: contracts/<the table's stem>.yaml"
    )
    on_bad_rows: Literal["fail", "quarantine", "warn"] = "fail"
    max_bad_share: float = Field(0.01, ge=0, le=1, description="above it quarantine fails, too")


class JoinConfig(Section):
    """Columns of another table, as they were known at the event's time."""

    table: ProjectPath
    on: tuple[str, ...] = ()
    asof: str | None = Field(
        None,
        description="the joined table's time column; of two rows of one key and moment the last in "
        "the file counts, and without `asof` a key that has two rows is an error",
    )
    lag: Duration = Field(timedelta(0), description="how long after its time a row is known")
    ttl: Duration | None = Field(None, description="how old a row may be, counted from its time")
    columns: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_a_key(self) -> JoinConfig:
        if not self.on and self.asof is None:
            raise ValueError("a join needs `on`, `asof`, or both")
        return self


class FeaturesConfig(Section):
    """What the model sees: columns, expressions of one row, and joined columns."""

    columns: tuple[str, ...] = ()
    row: dict[str, str] = Field(default_factory=dict, description="name: scalar expression")
    join: tuple[JoinConfig, ...] = ()


class SplitConfig(Section):
    """Shares of the whole for validation and hold-out; what is left is for training."""

    by: Literal["time", "stratified", "random"] | None = Field(
        None,
        description="default: time where data.time is given, else stratified (regression: random)",
    )
    validation: Share = 0.2
    holdout: Share = 0.2

    @model_validator(mode="after")
    def _leaves_a_training_part(self) -> SplitConfig:
        if self.validation + self.holdout >= 1:
            raise ValueError("validation and holdout leave nothing to train on")
        return self


class IntRange(Section):
    """A whole number between two bounds, both included."""

    int_: tuple[int, int] = Field(alias="int")
    log: bool = False


class FloatRange(Section):
    """A number between two bounds."""

    float_: tuple[float, float] = Field(alias="float")
    log: bool = False


class Choice(Section):
    """One of a list."""

    choice: tuple[bool | int | float | str, ...] = Field(min_length=1)


def _is_a_range(value: Any) -> Any:
    known = {"int", "float", "choice"}
    if isinstance(value, IntRange | FloatRange | Choice):
        return value
    if not isinstance(value, dict) or len(known.intersection(value)) != 1:
        raise ValueError(
            "a range is `{float: [0.01, 0.3], log: true}`, `{int: [3, 10]}` or "
            "`{choice: [gbtree, dart]}`"
        )
    return value


SearchRange = Annotated[IntRange | FloatRange | Choice, BeforeValidator(_is_a_range)]


class TuneConfig(Section):
    """The search for parameters."""

    trials: int = Field(20, ge=1)
    timeout: Duration | None = Field(None, description="stop starting trials after this long")
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["hyperband", "median", "none"] = "hyperband"
    rounds: int = Field(200, ge=1, description="boosting rounds of a trial, at the most")
    space: dict[str, SearchRange] | None = Field(
        None, description="parameter: range; default: a space that suits the estimator"
    )

    @model_validator(mode="after")
    def _ranges_are_in_order(self) -> TuneConfig:
        for name, r in (self.space or {}).items():
            bounds = r.int_ if isinstance(r, IntRange) else getattr(r, "float_", None)
            if bounds and bounds[0] > bounds[1]:
                raise ValueError(f"space.{name}: {bounds[0]} is above {bounds[1]}")
            if bounds and getattr(r, "log", False) and bounds[0] <= 0:
                raise ValueError(f"space.{name}: a logarithmic range starts above 0")
        return self


class TrainConfig(Section):
    """The estimator and how it is judged."""

    estimator: str = Field(
        "xgboost",
        pattern=r"^(xgboost|sklearn:[A-Za-z_][\w.]*\.[A-Za-z_]\w*)$",
        description="xgboost, or sklearn:module.Class such as sklearn:linear_model.Ridge",
    )
    metric: str | None = Field(None, description="default: roc_auc, log_loss or rmse by task")
    seed: int = Field(0, ge=0, lt=2**31)
    params: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="fixed parameters, which the search does not touch"
    )


class MetricGate(Section):
    """A hold-out metric must reach a bound."""

    metric: str
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> MetricGate:
        if (self.min is None) == (self.max is None):
            raise ValueError("a metric gate has either `min` or `max`")
        return self


class ChampionGate(Section):
    """The model must not be worse than the champion on the same hold-out rows."""

    champion: Literal["not_worse"]


class RegisterConfig(Section):
    """What a model must pass to become the champion."""

    gates: tuple[MetricGate | ChampionGate, ...] = (ChampionGate(champion="not_worse"),)


class PackageConfig(Section):
    """The image that serves the model."""

    base: str = Field(
        "python:{python}-slim",
        pattern=r"^[\w./:@{}-]+$",
        description="base image; {python} is training's minor version",
    )


class TrackingConfig(Section):
    """Where runs and versions are kept; the environment's MLFLOW_TRACKING_URI wins."""

    uri: str | None = Field(None, description="default: sqlite in the project, mlflow.db")
    experiment: str | None = Field(None, description="default: the project's name")


class DockerConfig(Section):
    """What the container of the target `docker` may use."""

    memory: str = Field("1g", pattern=r"^[1-9]\d*[kmg]$", description="such as 512m or 2g")
    cpus: float = Field(2.0, ge=0.01, le=1024, description="at most what the engine has")
    restart: Literal["no", "on-failure", "always", "unless-stopped"] = "unless-stopped"


class DeployConfig(Section):
    """Where the champion answers."""

    target: Literal["local", "docker", "kubernetes"] = "local"
    host: str = Field("127.0.0.1", pattern=r"^[\w.:-]+$")
    port: Port = 8000
    registry: ImageRegistry | None = Field(
        None, description="where `package --push` pushes to, such as registry.example.com/team"
    )
    docker: DockerConfig = DockerConfig()
    kubernetes: KubernetesConfig = KubernetesConfig()


class DriftConfig(Section):
    """How often a quiet month may raise an alarm, and how often drift is looked for."""

    false_alarms_per_month: float = Field(1.0, gt=0)
    every: Duration = Field(timedelta(days=1), description="how often `mlops drift` is run")


class Config(Section):
    """`mlops.yaml`."""

    project: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    task: Literal["binary", "multiclass", "regression"]
    data: DataConfig
    validate_: ValidateConfig = Field(ValidateConfig(), alias="validate")
    features: FeaturesConfig = FeaturesConfig()
    split: SplitConfig = SplitConfig()
    tune: TuneConfig = TuneConfig()
    train: TrainConfig = TrainConfig()
    register_: RegisterConfig = Field(RegisterConfig(), alias="register")
    package: PackageConfig = PackageConfig()
    deploy: DeployConfig = DeployConfig()
    drift: DriftConfig = DriftConfig()
    tracking: TrackingConfig = TrackingConfig()

    @property
    def contract(self) -> str:
        """The contract's file of the main table, relative to the project."""
        return self.validate_.contract or contract_of(self.data.table)

    @property
    def split_by(self) -> Literal["time", "stratified", "random"]:
        """How rows are split, with the default that follows from data and task."""
        if self.split.by:
            return self.split.by
        if self.data.time:
            return "time"
        return "random" if self.task == "regression" else "stratified"

    @property
    def metric(self) -> str:
        """The main metric, with the default that follows from the task."""
        return self.train.metric or METRICS[self.task][0]

    @model_validator(mode="after")
    def _time_split_needs_a_time(self) -> Config:
        if self.split.by == "time" and not self.data.time:
            raise ValueError("split.by is time, and data.time names no column")
        if self.split.by == "stratified" and self.task == "regression":
            raise ValueError("split.by is stratified, which needs classes: use random or time")
        return self


def contract_of(table: str) -> str:
    """The contract of a table is named after its file: data/raw/x.parquet, contracts/x.yaml."""
    stem = table.replace("\\", "/").rsplit("/", 1)[-1].split(".", 1)[0]
    return f"contracts/{stem}.yaml"


# Sections that no stage depends on: only these may hold ${VAR} or stand in an overlay, since
# DVC would not see such a change anywhere else.
UNTRACKED = ("tracking", "deploy", "drift")
