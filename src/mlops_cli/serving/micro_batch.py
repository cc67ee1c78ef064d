"""Rows that arrive together are predicted together: a call costs far more than a row."""

from __future__ import annotations

import asyncio

from mlops_cli.serving.encoder import Row
from mlops_cli.serving.models import Raw
from mlops_cli.serving.predictor import Predictor


class MicroBatcher:
    """Gathers the single rows of one turn of the event loop into one call of the model.

    A row alone waits for nothing but the next turn. 32 rows in one call of XGBoost cost what two
    single rows do, and every row's number is the same in any company.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._waiting: list[tuple[Row, asyncio.Future[Raw]]] = []

    def predict(self, row: Row) -> asyncio.Future[Raw]:
        """A future of the row's prediction, of shape (1,) or (1, k)."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)
        future: asyncio.Future[Raw] = loop.create_future()
        self._waiting.append((row, future))
        return future

    def _flush(self) -> None:
        came, self._waiting = self._waiting, []
        waiting = [(row, f) for row, f in came if not f.done()]  # a client that left cancelled it
        if not waiting:
            return
        try:
            raw = self._predictor.raw([row for row, _ in waiting])
        except Exception as e:  # noqa: BLE001  # handed to each request that waits, not swallowed
            for _, future in waiting:
                future.set_exception(e)
            return
        for i, (_, future) in enumerate(waiting):
            future.set_result(raw[i : i + 1])
