"""When a model is to be trained again: the policy of `retrain`, on the windows that were judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from mlops_cli.config.metrics import LESS_IS_BETTER
from mlops_cli.config.sections.retrain import (
    DriftTrigger,
    DropTrigger,
    EveryTrigger,
    RetrainConfig,
    Trigger,
)
from mlops_cli.monitoring.windows.records import Window

MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the policy asks at a moment: `reasons` are the triggers that hold, as they are written.

    `blocked_by` is why there is no retraining all the same.
    """

    reasons: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()

    @property
    def due(self) -> bool:
        """Whether the model is to be trained again."""
        return bool(self.reasons) and not self.blocked_by


@dataclass(frozen=True, slots=True)
class Policy:
    """The section `retrain`, for the model's main metric."""

    config: RetrainConfig
    metric: str

    def asks(self, windows: Sequence[Window], retrained: Sequence[datetime], at: datetime) -> Asked:
        """What is asked at `at` (UTC), of windows in order and retrainings recorded before.

        Later windows, and those from before the last retraining, are not looked at.
        """
        past = sorted(moment for moment in retrained if moment <= at)
        last = past[-1] if past else None
        ended = [w for w in windows if w.end <= at]
        seen = [w for w in ended if last is None or w.start >= last]
        since = last or (ended[0].start if ended else None)
        reasons = tuple(str(t) for t in self.config.when if self._holds(t, seen, since, at))
        return Asked(reasons, tuple(self._blocks(seen, past, at)) if reasons else ())

    def fired(self, windows: Sequence[Window]) -> list[datetime]:
        """When it would have asked, had it been looked at after each window."""
        found: list[datetime] = []
        for window in windows:
            if self.asks(windows, found, window.end).due:
                found.append(window.end)
        return found

    def _holds(
        self, trigger: Trigger, seen: Sequence[Window], since: datetime | None, at: datetime
    ) -> bool:
        if isinstance(trigger, EveryTrigger):
            return since is not None and at - since >= trigger.length
        if isinstance(trigger, DropTrigger):
            judged = (w for w in reversed(seen) if self._is_judged(w))
            newest = next(judged, None)
            return newest is not None and self._dropped(newest, trigger.share)
        if isinstance(trigger, DriftTrigger):
            answered = [w for w in seen if w.rows]  # silence is no window that did not drift
            last = answered[-trigger.drift :]
            return len(last) == trigger.drift and all(w.drifted and not w.broken for w in last)
        assert_never(trigger)

    def _is_judged(self, window: Window) -> bool:
        """Whether its labels came, stand for all rows, and are of data without a fault."""
        trusted = window.labels is not None and window.labels.trusted
        return trusted and not window.broken and self.metric in (window.performance or {})

    def _dropped(self, window: Window, share: float) -> bool:
        """Whether even the better end of the interval is worse than the baseline by that share."""
        found, baseline = window.performance or {}, (window.baseline or {}).get(self.metric)
        if baseline is None:
            return False
        if self.metric in LESS_IS_BETTER:
            return found[f"{self.metric}_low"] > baseline + share * abs(baseline)
        return found[f"{self.metric}_high"] < baseline - share * abs(baseline)

    def _blocks(
        self, seen: Sequence[Window], past: Sequence[datetime], at: datetime
    ) -> Iterator[str]:
        config = self.config
        if past and at - past[-1] < config.cooldown:
            yield f"cooldown: {_in_days(config.cooldown)}, after {past[-1]:%Y-%m-%d %H:%M}"
        if sum(at - moment < MONTH for moment in past) >= config.per_month:
            yield f"per_month: {config.per_month}"
        answered = [w for w in seen if w.rows]
        if answered and answered[-1].broken:
            yield f"broken data in the window of {answered[-1].start:%Y-%m-%d %H:%M}"


def _in_days(length: timedelta) -> str:
    return f"{length / timedelta(days=1):g}d"
