"""`mlops tune worker` beside `tune`: the files of one process, whoever did what."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from learning import make, reconfigure
from mlops_cli.actions.tune_worker import tune_worker
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.stages.tune import tune
from postgres import postgres

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
