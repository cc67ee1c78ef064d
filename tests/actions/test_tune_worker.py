"""`mlops tune worker` beside `tune`: the files of one process, whoever did what."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from learning import make, reconfigure
from mlops_cli.actions.tune_worker import tune_worker
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.stages.tune import tune
from postgres import Postgres, postgres

psycopg = pytest.importorskip("psycopg")

TUNE = {"trials": 14, "rounds": 20, "workers": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make(tmp_path_factory.mktemp("shared") / "p", tune=TUNE)


def written(project: Project) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((project.root / "tune").iterdir())}


def test_with_a_worker_tune_writes_what_it_writes_alone(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune(reconfigure(made, tune={**TUNE, "workers": "auto"}))  # one thread a trial, as there
    alone = written(made)
    with postgres() as server:
        monkeypatch.setenv("TUNE_URL", server.url)
        shared = reconfigure(made, tune={**TUNE, "storage": "${TUNE_URL}"})
        with ThreadPoolExecutor(2) as pool:
            joined = pool.submit(tune_worker, shared)
            found = pool.submit(tune, shared).result()
        assert joined.result().trials == found.trials == 14
        assert written(made) == alone
        assert tune_worker(shared).taken == 0
        assert tune(shared).resumed == 14
    for file in (made.root / "mlops.yaml", *(made.root / "tune").iterdir()):
        assert os.environ["TUNE_URL"] not in file.read_text(errors="replace")


def test_a_worker_needs_a_place_to_meet(made: Project, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tune\.storage names no database"):
        tune_worker(reconfigure(made, tune=TUNE))


class Stops:
    """`Progress` that stops a database once so many trials are over."""

    def __init__(self, server: Postgres, after: int) -> None:
        self._server, self._left = server, after

    def update(self, message: str, *, done: float = 0.0, total: float | None = None) -> None:
        if total is not None:
            self._left -= 1
            if self._left == 0:
                self._server.stop()

    def log(self, message: str) -> None:
        """Nothing: see `update`."""


@pytest.mark.parametrize(("estimator", "after"), [("lightgbm", 3), ("catboost", 5)])
def test_a_database_that_goes_away_amid_a_library_s_trials(
    made: Project, monkeypatch: pytest.MonkeyPatch, estimator: str, after: int
) -> None:
    pytest.importorskip(estimator)
    train, one_thread = {"estimator": estimator}, {**TUNE, "workers": "auto"}
    tune(reconfigure(made, train=train, tune=one_thread))
    alone = written(made)
    with postgres() as server:
        monkeypatch.setenv("TUNE_URL", server.url)
        shared = reconfigure(made, train=train, tune={**TUNE, "storage": "${TUNE_URL}"})
        with pytest.raises(EnvironmentFault, match=r"tune\.storage") as e:
            tune(shared, progress=Stops(server, after))
        assert "what was done" in (e.value.hint or "")
        server.start()
        assert tune(shared).resumed > 0
        assert written(made) == alone
        with psycopg.connect(server.url) as connection:
            twice = connection.execute(
                "select 1 from mlops_trial group by search, trial having count(*) > 1"
            ).fetchall()
            states = connection.execute("select distinct state::text from trials").fetchall()
    assert not twice
    assert {state for (state,) in states} <= {"COMPLETE", "PRUNED"}
