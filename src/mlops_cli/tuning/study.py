"""A search that is shared, as Optuna shows one: a study in its own tables, trials as they run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from mlops_cli.errors import EnvironmentFault
from mlops_cli.tuning.base import Space, State, Value
from mlops_cli.tuning.distributions import distributions

_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Mirror:
    """What Optuna's dashboard and tables show of a search; nothing is decided by it."""

    def __init__(self, url: str, name: str, space: Space, *, maximize: bool) -> None:
        self._url = "postgresql+psycopg://" + url.partition("://")[2]
        self._name, self._space = name, distributions(space)
        self._direction: Literal["maximize", "minimize"] = "maximize" if maximize else "minimize"
        self._opened: RDBStorage | None = None
        self._study = -1

    @property
    def _storage(self) -> RDBStorage:
        """Optuna's own; its tables are made where they are not there."""
        if self._opened is None:
            self._opened = RDBStorage(self._url, engine_kwargs={"pool_pre_ping": True})
        return self._opened

    def begin(self, *, anew: bool) -> None:
        """Make Optuna's tables and the study, where they are not there; `anew`: without trials."""
        with _faults():
            if anew:
                with contextlib.suppress(KeyError):
                    optuna.delete_study(study_name=self._name, storage=self._storage)
            optuna.create_study(
                storage=self._storage,
                study_name=self._name,
                direction=self._direction,
                load_if_exists=True,
            )
        self.open()

    def open(self) -> None:
        """Find the study that another process has begun."""
        with _faults():
            self._study = self._storage.get_study_id_from_name(self._name)

    def add(self, params: Mapping[str, Value]) -> int:
        """A trial that waits; Optuna's number of its row."""
        waiting = create_trial(
            state=TrialState.WAITING, params=dict(params), distributions=self._space
        )
        with _faults():
            return int(self._storage.create_new_trial(self._study, template_trial=waiting))

    def runs(self, trial: int) -> None:
        """A step of the trial has begun."""
        with _faults():
            self._storage.set_trial_state_values(trial, TrialState.RUNNING)

    def came(self, trial: int, rounds: int, score: float) -> None:
        """What the trial is worth after so many rounds."""
        with _faults():
            self._storage.set_trial_intermediate_value(trial, rounds, score)

    def over(self, trial: int, state: State, score: float | None) -> None:
        """The trial is over; whoever says so first is heard."""
        values = [score] if score is not None and state == "complete" else None
        with _faults():
            self._storage.set_trial_state_values(trial, _STATES[state], values)

    def close(self) -> None:
        """Let go of the database."""
        if self._opened is not None:
            self._opened.remove_session()
            self._opened.engine.dispose()


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except UpdateFinishedTrialError:  # another process has said that it is over
        pass
    except (StorageInternalError, SQLAlchemyError) as e:
        said = " ".join(str(e.__cause__ or e).split())[:300]
        raise EnvironmentFault(
            f"Optuna's tables in tune.storage: {said}",
            hint="run it again when the database answers: what was done is taken over",
        ) from e
