"""Where a worker hears of rollouts; what takes part in one is loaded when there is one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_cli._adapters import load_adapter
from mlops_cli.bundle.manifest import short
from mlops_cli.serving.one_event import OneEvents
from mlops_cli.serving.rollouts.board import RolloutBoard
from mlops_cli.serving.rollouts.change import Changes
from mlops_cli.serving.rollouts.traffic import CANDIDATE, CHAMPION
from mlops_cli.serving.settings import Settings

_PERCENT, _REQUESTS = "mlops_rollout_percent", "mlops_rollout_requests_total"

if TYPE_CHECKING:
    from mlops_cli.serving.rollouts.rollout import Rollout


class Rollouts:
    """Those of one worker, one after another; `changes` brings the next."""

    def __init__(
        self, board: RolloutBoard, worker: int, events: OneEvents, settings: Settings
    ) -> None:
        self._board = board
        self._worker = worker
        self._events = events
        self._settings = settings
        self._rollout: Rollout | None = None
        self._looking: asyncio.Future[None] | None = None
        file = Path(settings.rollout) if settings.rollout else None
        self.changes = Changes(board, file, self.follow, self._fault)

    @property
    def behind(self) -> bool:
        """Whether there is something to prepare or to obey."""
        return self._board.wanted != 0 and (self._rollout is None or self._rollout.behind)

    async def follow(self) -> None:
        """Prepare what is wanted, and obey what is current."""
        if self._rollout is None:
            module = load_adapter("mlops_cli.serving.rollouts.rollout")
            self._rollout = module.Rollout(self._board, self._worker, self._events, self._settings)
        await self._rollout.follow()

    def look(self) -> None:
        """For once a second: has the file changed?"""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self.changes.look())
        if self._rollout is not None:
            self._rollout.look()

    def end(self) -> None:
        """The worker leaves."""
        if self._rollout is not None:
            self._rollout.end()

    def exposition(self) -> list[str]:
        """What both arms were asked and answered so far, for Prometheus: exact over all workers."""
        _, document = self.changes.current()
        traffic = document.traffic if document is not None else None
        if traffic is None:
            return []
        versions = {CHAMPION: short(traffic.champion), CANDIDATE: short(traffic.candidate)}
        lines = [
            f"# HELP {_PERCENT} What part of the traffic is the candidate's",
            f"# TYPE {_PERCENT} gauge",
            f'{_PERCENT}{{version="{versions[CANDIDATE]}"}} {traffic.percent}',
            f"# HELP {_REQUESTS} Requests by the arm that they were assigned to",
            f"# TYPE {_REQUESTS} counter",
        ]
        for tally in self._board.tallies.of(traffic.salt):
            labels = f'arm="{tally.arm}",version="{versions[tally.arm]}",step="{tally.step}"'
            outcomes = {
                "answered": tally.answered,
                "failed": tally.errors,
                "dropped": tally.dropped,
            }
            for outcome, count in outcomes.items():
                lines.append(f'{_REQUESTS}{{{labels},outcome="{outcome}"}} {count}')
        return lines

    def _fault(self) -> str | None:
        return self._rollout.fault if self._rollout is not None else None
