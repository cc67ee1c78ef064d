"""A small project's work, to see whether everything that a project needs works on this machine.

What is exercised is loaded within the check: a library that is broken fails that check alone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlops_cli._files import write_text
from mlops_cli.actions import load_command
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import CONFIG, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, MlopsError
from mlops_cli.pipeline.dvc_yaml import write_dvc_yaml
from mlops_cli.redaction import redact
from mlops_cli.stages import STAGES, Stage, load_stage
from mlops_cli.targets.readiness import ready_digest

_TABLE = "data/raw/doctor.csv"
_CONFIG = f"""
project: doctor
task: binary
data: {{table: {_TABLE}, target: y}}
features: {{columns: [a, b], row: {{c: "a * 2"}}}}
tune: {{trials: 2, rounds: 5}}
"""
_FOREST = "train: {estimator: 'sklearn:ensemble.RandomForestClassifier'}\n"
_PATIENCE = 30.0  # seconds in which a server is to be ready


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `hint` fixes it where it fails."""

    name: str
    healthy: bool
    found: str
    hint: str | None = None


def attempt(name: str, work: Callable[[], str]) -> Check:
    """The check of that name: what `work` found, or what it raised."""
    try:
        return Check(name, True, work())
    except MlopsError as e:
        return Check(name, False, e.message, e.hint)
    except Exception as e:  # noqa: BLE001  whatever a library raises, it does not work here
        found = redact(f"{type(e).__name__}: {' '.join(str(e).split())[:200]}")
        return Check(name, False, found, "reinstall in a new environment: pip install mlops-cli")


def exercises(*, deep: bool) -> Iterator[Check]:
    """Do the work of every stage, then look for drift and ask DVC; stop at a stage that fails."""
    with _small_project(_CONFIG) as project:
        yield (begun := attempt("contract", partial(_contract, project)))
        if not begun.healthy:
            return
        for stage in STAGES:
            yield (check := attempt(stage.name, partial(_stage, project, stage)))
            if not check.healthy:
                return
        yield attempt("drift", partial(_drift, project))
        yield attempt("dvc", partial(_dvc, project))
        if deep:
            yield attempt("serve", partial(_serve, project))
            yield attempt("pandera", partial(_pandera, project))
    if deep:
        with _small_project(_CONFIG + _FOREST) as project:
            yield attempt("forest", partial(_forest, project))


@contextmanager
def _small_project(config: str) -> Iterator[Project]:
    # It must never reach a registry that the user's environment names.
    uri = os.environ.pop("MLFLOW_TRACKING_URI", None)
    try:
        with tempfile.TemporaryDirectory(prefix="mlops-doctor-") as folder:
            root = Path(folder)
            write_text(root / CONFIG, config)
            rows = [f"{i % 17},{i * 7 % 13},{int(i % 17 > 8)}" for i in range(300)]
            write_text(root / _TABLE, "\n".join(["a,b,y", *rows]) + "\n")
            yield load_project(root)
    finally:
        if uri is not None:
            os.environ["MLFLOW_TRACKING_URI"] = uri


def _contract(project: Project) -> str:
    from mlops_cli.contracts.missing import write_missing_contracts

    write_missing_contracts(project)
    write_dvc_yaml(project)
    return "is inferred from a table"


def _stage(project: Project, stage: Stage) -> str:
    load_stage(stage.name)(project)
    return f"can {stage.summary}"


def _drift(project: Project) -> str:
    load_command("drift")(project, current=project.root / _TABLE, bundle=project.root / MODEL)
    return "a table is compared, and its page drawn"


def _dvc(project: Project) -> str:
    from mlops_cli.pipeline.dvc import stale_stages

    dvc = [sys.executable, "-m", "dvc", "init", "--no-scm", "--force"]  # `train` made .dvc/plots
    done = subprocess.run(dvc, cwd=project.root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentFault(f"`dvc init` ended with {done.returncode}: {done.stderr[-300:]}")
    stale_stages(project.root)
    return "reads the pipeline"


def _serve(project: Project) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = ["serve", "--bundle", str(project.root / MODEL), "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-m", "mlops_cli", *command],
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        until = time.monotonic() + _PATIENCE
        while not (ready := ready_digest("127.0.0.1", port)) and time.monotonic() < until:
            if server.poll() is not None:
                break
            time.sleep(0.1)
        server.terminate()
        said = server.communicate()[1]
    if not ready:
        raise EnvironmentFault(f"the server does not answer: {said[-300:].strip()}")
    return "a server answers, and reproduces what training predicts"


def _pandera(project: Project) -> str:
    import pandas as pd

    from mlops_cli.contracts.model import load_contract
    from mlops_cli.contracts.pandera import to_pandera

    schema = to_pandera(load_contract(project.root / project.config.contract))
    schema.validate(pd.read_csv(project.root / _TABLE), lazy=True)
    return "holds a frame to the contract"


def _forest(project: Project) -> str:
    _contract(project)
    for stage in STAGES:
        load_stage(stage.name)(project)
    return "a forest of scikit-learn is converted to ONNX and predicts the same"
