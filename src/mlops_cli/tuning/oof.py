"""Out-of-fold predictions: of rows that the model which made them had not seen."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlops_cli.config.paths import TUNE
from mlops_cli.errors import DataError, EnvironmentFault
from mlops_cli.tuning.base import Best, Objective

OOF = f"{TUNE}/oof.parquet"

Predictions = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Unseen predictions, a line a row of a fold and a member; `rows` of shape (n,).

    `rows` are the source rows' numbers, as `Events.numbers` has them; `folds` and `members` are of
    the same shape. `predictions` are as `Fitted.predict` gives them: (n,), multiclass (n, k).
    Without folds the validation part is fold 0; what several models say together is member 0.
    """

    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    members: NDArray[np.int64]
    predictions: Predictions


def to_come(parts: Sequence[NDArray[np.int64]]) -> OutOfFold:
    """The rows that judge a trial, fold by fold, without the predictions, which are to come."""
    rows, sizes = np.concatenate(parts), [len(part) for part in parts]
    folds = np.repeat(np.arange(len(parts)), sizes)
    return OutOfFold(rows, folds, np.zeros_like(rows), np.empty(0))


def write_oof(file: Path, unseen: OutOfFold) -> None:
    """Write `tune/oof.parquet`; the same predictions are the same bytes."""
    known = {"row": unseen.rows, "fold": unseen.folds, "member": unseen.members}
    said = unseen.predictions
    columns = (
        {"prediction": said}
        if said.ndim == 1
        else {f"prediction_{k}": said[:, k] for k in range(said.shape[1])}
    )
    pq.write_table(pa.table({**known, **columns}), file, compression="zstd")


def read_oof(root: Path) -> OutOfFold:
    """Read `tune/oof.parquet` of the project folder `root`; raises `DataError` where it cannot."""
    try:
        table = pq.read_table(root / OOF)
        said = [name for name in table.column_names if name.startswith("prediction")]
        rows, folds, members = (
            np.asarray(table[name].to_numpy(), dtype=np.int64) for name in ("row", "fold", "member")
        )
        predictions = [np.asarray(table[name].to_numpy(), dtype=np.float64) for name in said]
    except (OSError, pa.ArrowException, KeyError, ValueError) as e:
        raise DataError(f"{OOF}: {str(e)[:300]}", hint="mlops tune") from e
    stacked = predictions[0] if said == ["prediction"] else np.column_stack(predictions)
    return OutOfFold(rows, folds, members, stacked)


class Leaders:
    """What the trials that lead had to say of the validation part; for any number of threads.

    A trial that was taken over from a journal said nothing here.
    """

    def __init__(self, *, greater_is_better: bool) -> None:
        self._sign = -1.0 if greater_is_better else 1.0
        self._turn = threading.Lock()
        self._loss = float("inf")
        self._said: list[tuple[dict[str, object], Predictions]] = []

    def saw(self, params: Mapping[str, object], score: float, predictions: Predictions) -> None:
        """Keep what a trial that is over said, if none so far is better."""
        with self._turn:
            loss = self._sign * score
            if loss < self._loss:
                self._loss, self._said = loss, []
            if loss == self._loss:
                self._said.append((dict(params), predictions))

    def of(self, params: Mapping[str, object]) -> Predictions | None:
        """What the trial of these parameters said, None where it was not among the leaders."""
        return next((said for known, said in self._said if known == dict(params)), None)

    def unseen(self, best: Best, objective: Objective, rounds: int) -> Predictions:
        """What the best trial said of the rows that judged it.

        One that another process ran is fitted once more, to its best round and on to `rounds`: the
        same steps make the same numbers. Raises `EnvironmentFault` where they do not.
        """
        if self.of(best.params) is None:
            again = objective(best.params)
            again.advance(best.rounds or 1, lambda: None)
            again.advance(rounds, lambda: None)
        said = self.of(best.params)
        if said is None:
            raise EnvironmentFault(
                f"the best trial, {best.trial}, is not what it was when it is fitted again",
                hint="mlops run --force",
            )
        return said
