"""How windows are judged, by the configuration and the run's own time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from mlops_cli.config.model import Config
from mlops_cli.config.sections.base import format_duration
from mlops_cli.monitoring.collected.traffic import digest_of
from mlops_cli.monitoring.drift.verdict import alpha_of


@dataclass(frozen=True, slots=True)
class Settings:
    """`at` is the time as of which windows are judged: by then labels have come, or have not."""

    target: str
    metric: str
    window: timedelta
    alpha: float
    labels_after: timedelta
    segments: tuple[str, ...]
    baseline: Literal["training", "last_window", "same_weekday"]
    at: datetime

    @classmethod
    def of(cls, config: Config, target: str, at: datetime) -> Settings:
        """The settings of a project."""
        length = config.window
        return cls(
            target=target,
            metric=config.metric,
            window=length,
            alpha=alpha_of(config.drift.false_alarms_per_month, length),
            labels_after=config.monitor.labels_after,
            segments=config.monitor.segments,
            baseline=config.monitor.baseline,
            at=at,
        )

    @property
    def seconds(self) -> float:
        """The length of a window."""
        return self.window.total_seconds()

    @property
    def fingerprint(self) -> str:
        """Another one where a window would be judged otherwise."""
        return digest_of(
            format_duration(self.window), self.alpha, self.segments, self.baseline, self.target
        )
