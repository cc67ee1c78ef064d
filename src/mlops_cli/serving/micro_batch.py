"""Rows that arrive together are predicted together: a call costs far more than a row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import Protocol

from mlops_cli.serving.exact_rows import Packed
from mlops_cli.serving.models import Matrix, Raw
from mlops_cli.serving.predictor import Predictor


class Predicted:
    """What one call of the model said of the rows of a turn."""

    def __init__(self, predictor: Predictor, matrix: Matrix, raw: Raw) -> None:
        self._predictor = predictor
        self._matrix = matrix
        self.raw = raw

    @cached_property
    def contents(self) -> list[bytes]:
        """As JSON of answers, one a row."""
        return self._predictor.contents(self.raw)

    def value(self, place: int) -> float | None:
        """What is predicted of row `place` beside an interval's ends; None of several classes."""
        return self.raw.item(place, 0) if self._predictor.manifest.interval is not None else None

    def vector(self, place: int) -> bytes:
        """The features of row `place`, as float32."""
        size = self._matrix.shape[1] * self._matrix.itemsize
        return self._vectors[place * size : (place + 1) * size]

    @cached_property
    def _vectors(self) -> bytes:
        return self._matrix.tobytes()


class Waiting(Protocol):
    """Who waits for a row."""

    @property
    def gone(self) -> bool:
        """Whether nobody waits any more: the client has left, or is answered."""

    def predicted(self, said: Predicted, place: int) -> None:
        """Take what was said of row `place`."""

    def failed(self, fault: Exception) -> None:
        """Take what the model raised, over all the rows."""


Came = list[tuple[Packed, Waiting]]


class MicroBatcher:
    """Gathers the single rows of one turn of the event loop into one call of the model.

    A row alone waits for nothing but the next turn. 32 rows in one call of XGBoost cost what two
    single rows do, and every row's number is the same in any company. `came` are those of this
    turn. `before` is called before the model is: what another process is to do meanwhile.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.came: Came = []
        self.before: Callable[[], None] | None = None

    def add(self, row: Packed, waiting: Waiting) -> None:
        """Predict a row in the next turn, and tell who waits."""
        if not self.came:
            asyncio.get_running_loop().call_soon(self._flush)
        self.came.append((row, waiting))

    def predict(self, row: Packed) -> asyncio.Future[Raw]:
        """A future of the row's prediction, of shape (1,) or (1, k)."""
        future: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
        self.add(row, _Awaited(future))
        return future

    def _flush(self) -> None:
        if self.before is not None:
            self.before()
        came, self.came = self.came, []
        came = [pair for pair in came if not pair[1].gone]  # whose client has left
        if came:
            self._work(came)

    def _work(self, came: Came) -> None:
        try:
            matrix = self._predictor.matrix([row for row, _ in came])
            self._tell(matrix, self._predictor.numbers(matrix), came)
        except Exception as e:  # noqa: BLE001  # handed to each request that waits, not swallowed
            fail(came, e)

    def _tell(self, matrix: Matrix, raw: Raw, came: Came) -> None:
        said = Predicted(self._predictor, matrix, raw)
        for place, (_, waiting) in enumerate(came):
            try:
                waiting.predicted(said, place)
            except Exception as e:  # noqa: BLE001  # the others are answered all the same
                fail([came[place]], e)


def fail(came: Came, fault: Exception) -> None:
    """Tell those who still wait what was raised."""
    for _, waiting in came:
        if not waiting.gone:
            waiting.failed(fault)


class _Awaited:
    """A coroutine that waits; cancelled where its client has left."""

    def __init__(self, future: asyncio.Future[Raw]) -> None:
        self._future = future

    @property
    def gone(self) -> bool:
        return self._future.done()

    def predicted(self, said: Predicted, place: int) -> None:
        self._future.set_result(said.raw[place : place + 1])

    def failed(self, fault: Exception) -> None:
        self._future.set_exception(fault)
