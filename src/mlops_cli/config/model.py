"""`mlops.yaml` as a whole: its sections, and what follows from several of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from mlops_cli.config.conditions import metrics_of, unknown_metric
from mlops_cli.config.metrics import METRICS
from mlops_cli.config.sections.base import Section, format_duration
from mlops_cli.config.sections.data import DataConfig
from mlops_cli.config.sections.deploy import DeployConfig
from mlops_cli.config.sections.drift import DriftConfig
from mlops_cli.config.sections.engine import EngineConfig
from mlops_cli.config.sections.evaluate import EvaluateConfig
from mlops_cli.config.sections.experiment import AbConfig
from mlops_cli.config.sections.features import FeaturesConfig
from mlops_cli.config.sections.governance import GovernanceConfig
from mlops_cli.config.sections.monitor import MonitorConfig
from mlops_cli.config.sections.package import PackageConfig
from mlops_cli.config.sections.register import FairnessGate, RegisterConfig
from mlops_cli.config.sections.retrain import RetrainConfig
from mlops_cli.config.sections.serve import ServeConfig
from mlops_cli.config.sections.source import is_file, name_of
from mlops_cli.config.sections.split import SplitConfig
from mlops_cli.config.sections.tracking import TrackingConfig
from mlops_cli.config.sections.train import AUTO, TrainConfig
from mlops_cli.config.sections.tune import TuneConfig
from mlops_cli.config.sections.validate import ValidateConfig


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
    evaluate: EvaluateConfig = EvaluateConfig()
    register_: RegisterConfig = Field(RegisterConfig(), alias="register")
    package: PackageConfig = PackageConfig()
    deploy: DeployConfig = DeployConfig()
    serve: ServeConfig = ServeConfig()
    drift: DriftConfig = DriftConfig()
    monitor: MonitorConfig = MonitorConfig()
    ab: AbConfig = AbConfig()
    retrain: RetrainConfig = RetrainConfig()
    governance: GovernanceConfig = GovernanceConfig()
    tracking: TrackingConfig = TrackingConfig()
    engine: EngineConfig = EngineConfig()

    @property
    def contract(self) -> str:
        """The contract's file of the main table, relative to the project."""
        return self.validate_.contract or contract_of(self.data.table)

    @property
    def split_by(self) -> Literal["time", "stratified", "random", "group"]:
        """How rows are split, with the default that follows from data and task."""
        if self.split.by:
            return self.split.by
        if self.split.key:
            return "group"
        if self.data.time:
            return "time"
        return "random" if self.task == "regression" else "stratified"

    @property
    def metric(self) -> str:
        """The main metric, with the default that follows from the task."""
        return self.train.metric or METRICS[self.task][0]

    @property
    def window(self) -> timedelta:
        """How long a window of monitoring is."""
        return self.monitor.window or self.drift.every

    @model_validator(mode="after")
    def _what_is_ingested_has_a_name(self) -> Config:
        data = self.data
        if data.name is None and not (isinstance(data.table_, str) and is_file(data.table_)):
            named = data.model_copy(update={"name": name_of(data.table_, self.project)})
            object.__setattr__(self, "data", named)
        return self

    @model_validator(mode="after")
    def _spans_need_a_time(self) -> Config:
        if self.data.window is not None and not self.data.time:
            raise ValueError("data.window is a time, and data.time names no column")
        if self.split.by == "time" and not self.data.time:
            raise ValueError("split.by is time, and data.time names no column")
        if self.split.by == "stratified" and self.task == "regression":
            raise ValueError("split.by is stratified, which needs classes: use random or time")
        if self.split.gap is not None and self.split_by != "time":
            raise ValueError(f"split.gap is a time, and rows are split by {self.split_by}")
        if self.split.repeats > 1 and self.split_by == "time":
            raise ValueError("split.repeats draws folds anew, and by time nothing is drawn")
        if self.data.target_name in self.split.key:
            raise ValueError("split.key names the target: no part would have two of its values")
        if self.data.target_name == self.train.weights:
            raise ValueError("train.weights names the target")
        return self

    @model_validator(mode="after")
    def _fairness_has_groups(self) -> Config:
        known = self.data.sensitive
        for number, gate in enumerate(self.register_.gates):
            if not isinstance(gate, FairnessGate):
                continue
            where = f"register.gates.{number}"
            if self.task != "binary":
                raise ValueError(f"{where}: fairness is judged of a binary task")
            if not known:
                raise ValueError(f"{where}: data.sensitive names no column to compare groups of")
            asked = gate.column
            if asked and asked not in known and not {*asked.split(" & ")} <= {*known}:
                raise ValueError(f"{where}.column: {asked!r} is not in data.sensitive")
        return self

    @model_validator(mode="after")
    def _mitigation_has_groups(self) -> Config:
        mitigate, known = self.train.mitigate, self.data.sensitive
        if mitigate is None:
            return self
        if self.task == "regression":
            raise ValueError("train.mitigate is of classes, and the task is regression")
        if not known:
            raise ValueError("train.mitigate: data.sensitive names no column to treat alike")
        if unknown := [name for name in mitigate.columns if name not in known]:
            raise ValueError(f"train.mitigate.columns: {unknown[0]!r} is not in data.sensitive")
        return self

    @model_validator(mode="after")
    def _answers_suit_the_task(self) -> Config:
        train, task = self.train, self.task
        if task == "regression" and (train.calibrate or train.costs):
            name = "calibrate" if train.calibrate else "costs"
            raise ValueError(f"train.{name} is of probabilities, and the task is regression")
        if task != "regression" and train.level is not None:
            name = "interval" if train.interval else "quantiles"
            raise ValueError(f"train.{name} is of a regression's values, and the task is {task}")
        if task == "multiclass" and train.categories == "ordered":
            raise ValueError(
                "train.categories is ordered, and of several classes none is more than another"
            )
        if task == "multiclass" and train.costs:
            raise ValueError("train.costs are of two classes, and the task is multiclass")
        if task == "multiclass" and train.calibrate not in (None, "temperature"):
            raise ValueError(
                f"train.calibrate is {train.calibrate}, which is of two classes: of several, "
                "temperature leaves them in their order"
            )
        return self

    @model_validator(mode="after")
    def _searches_of_auto_are_their_own(self) -> Config:
        tune = self.tune
        own = {"space": tune.space, "first": tune.first, "storage": tune.storage}
        named = next((key for key, value in own.items() if value), None)
        if self.train.estimator == AUTO and named is not None:
            raise ValueError(
                f"tune.{named} is of one estimator's search, and train.estimator is auto"
            )
        return self

    @model_validator(mode="after")
    def _roles_have_people(self) -> Config:
        asked, known = self.register_.approvals, self.governance.roles
        if nobody := [role for role in asked if not known.get(role)]:
            raise ValueError(
                f"register.approvals asks for {nobody[0]}, and governance.roles names nobody for it"
            )
        if len(set(asked)) < len(asked):
            raise ValueError("register.approvals names a role twice")
        return self

    @model_validator(mode="after")
    def _alerts_are_on_metrics_of_the_task(self) -> Config:
        known = metrics_of(self.task)
        for number, alert in enumerate(self.monitor.alerts):
            if alert.condition.metric not in known:
                said = unknown_metric(alert.condition.metric, known)
                raise ValueError(f"monitor.alerts.{number}.when, task {self.task}: {said}")
        return self

    @model_validator(mode="after")
    def _rollouts_can_be_judged(self) -> Config:
        rollout, watch = self.deploy.rollout, self.deploy.watch
        after = self.monitor.labels_after
        spans = [("rollout.judge.max_time", rollout.judge.max_time, rollout.judge.label_rules)]
        if watch is not None:
            spans.append(("watch.for", watch.for_, watch.label_rules))
        for key, span, labels in spans:
            if labels and span < after:
                raise ValueError(
                    f"deploy.{key} ({format_duration(span)}) is shorter than monitor.labels_after "
                    f"({format_duration(after)}): its rule on labels could never be judged"
                )
        chosen = rollout.judge.rules if "rules" in rollout.judge.model_fields_set else ()
        if self.task == "multiclass" and any(r.metric == "prediction_mean" for r in chosen):
            raise ValueError("deploy.rollout.judge.rules: classes have no prediction_mean")
        if self.data.target_name in rollout.sticky:
            raise ValueError("deploy.rollout.sticky names the target, which no event has")
        return self


def contract_of(table: str) -> str:
    """The contract of a table is named after its file: data/raw/x.parquet, contracts/x.yaml."""
    stem = table.replace("\\", "/").rsplit("/", 1)[-1].split(".", 1)[0]
    return f"contracts/{stem}.yaml"


# Sections that no stage depends on: only these may hold ${VAR} or stand in an overlay, since
# DVC would not see such a change anywhere else.
UNTRACKED = ("tracking", "deploy", "serve", "drift", "monitor", "ab", "retrain", "engine")
# Whose ${VAR} is filled in by who uses it, the server or the sender: so it stands nowhere else.
HANDED_ON = (
    *("serve.cache", "monitor.sinks", "tune.storage", "features.online"),
    *("data.table.url", "data.table.servers", "data.table.registry"),
)
