"""The parts `rollout` and `watch` of the section `deploy`: how a new version earns its traffic."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from mlops_cli.config.sections.base import Duration, Section
from mlops_cli.serving.rollouts.marked import Mark

METRICS = ("error_rate", "latency_p50", "latency_p99", "prediction_mean", "label")
MEAN = "prediction_mean"
LABEL = "label"
LATENCIES = ("latency_p50", "latency_p99")
_FORM = r"(\d{1,9}(?:\.\d{1,9})?)\s*(%|ms)"
_STEPS = (5.0, 25.0, 50.0, 100.0)


@dataclass(frozen=True, slots=True)
class Bound:
    """A margin that was read: a share of the champion's where `relative`.

    Otherwise in the metric's own unit: a share of requests, milliseconds, a probability, log loss.
    """

    value: float
    relative: bool


def _known_metric(name: Any) -> Any:
    if isinstance(name, str) and name not in METRICS:
        near = difflib.get_close_matches(name, METRICS, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(METRICS)}"
        raise ValueError(f"there is no metric {name[:80]!r} of a rollout: {meant}")
    return name


def _margin(value: Any) -> float | str:
    if isinstance(value, str):
        if (match := re.fullmatch(_FORM, value.strip())) and float(match[1]):
            return value.strip()
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9:
        return float(value)
    raise ValueError(
        f"{str(value)[:40]!r} is no margin: a number above 0 such as 0.005, a share of the "
        "champion's such as 20%, or for a latency 20ms"
    )


Metric = Annotated[
    Literal["error_rate", "latency_p50", "latency_p99", "prediction_mean", "label"],
    BeforeValidator(_known_metric),
]
Margin = Annotated[
    float | str,
    PlainValidator(_margin),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": rf"^{_FORM}$"},
            ]
        }
    ),
]


class RuleConfig(Section):
    """What the candidate may not be worse by, and what follows where it surely is."""

    metric: Metric
    worse_by: Margin | None = Field(
        None,
        description="the difference that matters: a number, or 20% of the champion's; of a "
        "latency 20% or 20ms",
    )
    differs_by: Margin | None = Field(
        None,
        description="of prediction_mean, up or down: a probability, or for regression the "
        "champion's standard deviations",
    )
    then: Literal["rollback", "pause"] = "rollback"
    prove: bool | None = Field(
        None, description="goes on only where it is surely not worse by that; default: judge.prove"
    )

    @model_validator(mode="after")
    def _has_the_margin_of_its_metric(self) -> RuleConfig:
        asked, other = ("differs_by", "worse_by") if self.metric == MEAN else (
            "worse_by", "differs_by",
        )  # fmt: skip
        if getattr(self, other) is not None:
            raise ValueError(f"a rule on {self.metric} has `{asked}`, and no `{other}`")
        if (value := getattr(self, asked)) is None:
            raise ValueError(f"a rule on {self.metric} needs `{asked}`")
        text = value if isinstance(value, str) else ""
        if self.metric in LATENCIES and not text:
            raise ValueError(f"`{asked}` of {self.metric} is such as 20% or 20ms: {value:g} what?")
        if self.metric not in LATENCIES and text.endswith("ms"):
            raise ValueError(f"`{asked}` of {self.metric} is no time: write a number, or 20%")
        if self.metric == MEAN and text:
            raise ValueError(f"`{asked}` is a number: a share of a mean near 0 bounds nothing")
        if self.metric == "error_rate" and not text and float(value) >= 1:
            raise ValueError(f"error_rate is a share: write {value / 100:g} for {value:g} percent")
        return self

    @property
    def bound(self) -> Bound:
        """The margin as a number."""
        value = self.worse_by if self.worse_by is not None else self.differs_by
        if isinstance(value, str):
            number = float(value.removesuffix("ms").rstrip("% "))
            return Bound(number / 100, True) if value.endswith("%") else Bound(number, False)
        return Bound(float(value or 0), False)


def _each_once(rules: tuple[RuleConfig, ...]) -> tuple[RuleConfig, ...]:
    named = [(rule.metric, rule.then) for rule in rules]
    if twice := [key for key in named if named.count(key) > 1]:
        raise ValueError(f"two rules on {twice[0][0]} end in {twice[0][1]}: keep one of them")
    return rules


Rules = Annotated[tuple[RuleConfig, ...], AfterValidator(_each_once)]
_ERRORS = RuleConfig(metric="error_rate", worse_by=0.005)
_LATENCY = RuleConfig(metric="latency_p99", worse_by="20%")
_ANSWERS = RuleConfig(metric="prediction_mean", differs_by=0.05, then="pause")


class JudgeConfig(Section):
    """By what the candidate goes on, waits, or is withdrawn."""

    min_requests: int = Field(500, ge=1, description="of each arm in the step, before it may go on")
    alpha: float = Field(
        0.05,
        gt=0,
        le=0.5,
        description="chance of ever rolling back a candidate that is as good, over the whole "
        "rollout and all rules, however often one looks",
    )
    rules: Rules = (_ERRORS, _LATENCY, _ANSWERS)
    max_time: Duration = Field(
        timedelta(hours=24), gt=timedelta(0), description="a step may take so long"
    )
    inconclusive: Literal["hold", "rollback", "promote"] = Field(
        "hold", description="what follows where a step took max_time and nothing is decided"
    )
    prove: bool = Field(
        False, description="goes on only where it is surely not worse by what the rules allow"
    )

    @property
    def label_rules(self) -> bool:
        """Whether a rule needs labels."""
        return any(rule.metric == LABEL for rule in self.rules)


_WORD = r"^[A-Za-z0-9._-]{1,128}$"


class MarkConfig(Section):
    """What the requests of people who try the candidate bring: a header, or a cookie."""

    header: str | None = Field(None, pattern=_WORD, description="its name, such as x-candidate")
    cookie: str | None = Field(None, pattern=_WORD, description="or the name of a cookie")
    value: str = Field(pattern=_WORD, description="what it is")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> MarkConfig:
        if (self.header is None) == (self.cookie is None):
            raise ValueError("testers are told by a `header` or by a `cookie`: name one of both")
        return self


Percent = Annotated[float, Field(ge=0.01, le=100)]


class RolloutConfig(Section):
    """How a new version comes to answer."""

    strategy: Literal["rolling", "canary", "blue_green", "shadow", "ab"] = Field(
        "rolling", description="rolling: at once, as without a rollout"
    )
    steps: tuple[Percent, ...] = Field(
        _STEPS,
        min_length=1,
        max_length=100,
        description="percent of the traffic that meets the candidate, rising; canary ends with "
        "100 (appended); of ab and shadow the first is the share",
    )
    hold: Duration = Field(timedelta(minutes=10), description="at least, each step")
    sticky: tuple[str, ...] = Field(
        (), max_length=20, description="inputs whose values keep a subject in one arm"
    )
    segment: str | None = Field(
        None,
        max_length=10_000,
        description="a row expression: only these events may meet the candidate",
    )
    testers: MarkConfig | None = Field(
        None,
        description="such as {header: x-candidate, value: try}: they meet the candidate whatever "
        "its share, and count for nobody",
    )
    judge: JudgeConfig = JudgeConfig()

    @field_validator("steps")
    @classmethod
    def _rise(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        for before, after in pairwise(steps):
            if after <= before:
                raise ValueError(f"steps rise, and {after:g} comes after {before:g}")
        return steps

    @field_validator("sticky")
    @classmethod
    def _no_input_twice(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("an input is named twice")
        return names

    @field_validator("segment")
    @classmethod
    def _is_an_expression(cls, text: str | None) -> str | None:
        if text is not None and text.strip().strip("()").strip().lower() in ("", "null", "false"):
            raise ValueError(
                f"{text!r} would keep every event from the candidate: leave segment out for all of "
                "them, or write an expression such as origin = 'JFK'"
            )
        return text

    @model_validator(mode="after")
    def _compares(self) -> RolloutConfig:
        if self.strategy in ("canary", "ab") and self.steps[0] == 100:
            raise ValueError(
                f"{self.strategy}: a first step of 100 leaves no champion to compare with: "
                "begin lower, or use blue_green"
            )
        if self.strategy in ("canary", "blue_green", "shadow") and (
            self.judge.max_time < self.hold
        ):
            raise ValueError("judge.max_time is shorter than hold: no step could ever go on")
        if self.strategy == "shadow" and self.testers is not None:
            raise ValueError("nobody sees what a shadow answers: testers are for other strategies")
        return self

    @property
    def weights(self) -> tuple[float, ...]:
        """The percent of each step: canary to 100, ab and shadow the share, blue_green all."""
        if self.strategy == "canary":
            return self.steps if self.steps[-1] == 100 else (*self.steps, 100.0)
        return self.steps[:1] if self.strategy in ("ab", "shadow") else (100.0,)

    @property
    def mark(self) -> Mark | None:
        """What the requests of testers bring, as servers and routes are told."""
        told = self.testers
        return Mark(told.value, told.header, told.cookie) if told is not None else None


class WatchConfig(Section):
    """How long the new champion is held to what was recorded of the old one, and by what."""

    for_: Duration = Field(
        alias="for", gt=timedelta(0), description="so long after the end of the rollout"
    )
    rules: Rules = Field(
        (_ERRORS, _LATENCY),
        min_length=1,
        description="as in rollout.judge, before and after: a change of the traffic counts, too",
    )

    @field_validator("rules")
    @classmethod
    def _roll_back(cls, rules: tuple[RuleConfig, ...]) -> tuple[RuleConfig, ...]:
        if any(rule.then == "pause" or rule.prove for rule in rules):
            raise ValueError("after the rollout a rule can only roll back: no then, no prove")
        return rules

    @property
    def label_rules(self) -> bool:
        """Whether a rule needs labels."""
        return any(rule.metric == LABEL for rule in self.rules)
