"""Is everything here that a project needs, and does it work? By doing a small project's work."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from mlops_cli._files import write_text
from mlops_cli.actions.drift import drift
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import CONFIG, MODEL
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import MlopsError
from mlops_cli.pipeline.dvc import stale_stages
from mlops_cli.pipeline.dvc_yaml import check_dvc_yaml, write_dvc_yaml
from mlops_cli.progress import QUIET, Progress
from mlops_cli.redaction import redact
from mlops_cli.stages import STAGES, Stage
from mlops_cli.tracking import open_tracker

# What each step of the small project's work exercises, so that a failure has an address.
_EXERCISES = {
    "validate": "duckdb, pyarrow",
    "featurize": "sqlglot, duckdb",
    "tune": "optuna, xgboost, mlflow",
    "train": "xgboost, scikit-learn, numpy",
    "register": "mlflow, sqlalchemy",
    "package": "jinja2",
}
_CONFIG = """
project: doctor
task: binary
data: {table: data/raw/doctor.csv, target: y}
features: {columns: [a, b], row: {c: "a * 2"}}
tune: {trials: 2, rounds: 5}
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `hint` mends it where it is not well."""

    name: str
    healthy: bool
    found: str
    hint: str | None = None


_XGBOOST = ("xgboost", "xgboost-cpu")  # one module from two packages
_TWICE = (
    "xgboost and xgboost-cpu are both installed: they write the same files, the later one is in "
    "force, and uninstalling either breaks the other"
)
_ONCE = "pip uninstall -y xgboost xgboost-cpu, then pip install the one that you want"


@dataclass(frozen=True, slots=True)
class DoctorResult:
    """What was looked at, in order."""

    healthy: bool
    checks: tuple[Check, ...]


def doctor(project: Project | None = None, *, progress: Progress = QUIET) -> DoctorResult:
    """Check the installed packages, git, DVC and the libraries by use; then `project`, if any."""
    checks: list[Check] = []
    for check in _checks(project):
        progress.say(f"{'ok ' if check.healthy else 'NOT'} {check.name}: {check.found}")
        checks.append(check)
    return DoctorResult(all(check.healthy for check in checks), tuple(checks))


def _checks(project: Project | None) -> Iterator[Check]:
    yield _python()
    yield _packages()
    yield _git()
    yield from _exercises()
    if project is not None:
        yield _attempt("tables", lambda: _tables(project))
        yield _attempt("dvc.yaml", lambda: _dvc_yaml(project))
        yield _attempt("registry", lambda: _registry(project))


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")


def _packages() -> Check:
    wrong = [said for text in requires("mlops-cli") or () if (said := _unmet(Requirement(text)))]
    if all(_installed(name) for name in _XGBOOST):
        return Check("packages", False, _TWICE, _ONCE)
    if wrong:
        mend = f"pip install '{wrong[0].split(' is ')[0]}'"
        return Check("packages", False, "; ".join(wrong), mend)
    return Check("packages", True, f"mlops-cli {version('mlops-cli')} has what it asks for")


def _unmet(requirement: Requirement) -> str | None:
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return None
    names = _XGBOOST if requirement.name in _XGBOOST else (requirement.name,)
    found = next((there for name in names if (there := _installed(name))), None)
    if found is None:
        return f"{requirement.name}{requirement.specifier} is not installed"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name}{requirement.specifier} is wanted, found {found}"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git() -> Check:
    git = shutil.which("git")
    if git is None:
        return Check("git", False, "not on PATH", "install git, or use `mlops init --no-git`")
    done = subprocess.run([git, "--version"], capture_output=True, text=True, check=False)
    return Check("git", done.returncode == 0, done.stdout.strip() or done.stderr.strip())


def _exercises() -> Iterator[Check]:
    with tempfile.TemporaryDirectory(prefix="mlops-doctor-") as folder, _embedded_registry():
        project = _small_project(Path(folder))
        for stage in STAGES:
            check = _attempt(stage.name, partial(_works, project, stage))
            yield check
            if not check.healthy:
                return
        yield _attempt("drift", lambda: _drift(project))
        yield _attempt("dvc", lambda: _dvc(project))


def _small_project(root: Path) -> Project:
    write_text(root / CONFIG, _CONFIG)
    rows = [f"{i % 17},{i * 7 % 13},{int(i % 17 > 8)}" for i in range(300)]
    write_text(root / "data/raw/doctor.csv", "\n".join(["a,b,y", *rows]) + "\n")
    project = load_project(root)
    write_missing_contracts(project)
    write_dvc_yaml(project)
    return project


def _works(project: Project, stage: Stage) -> str:
    getattr(importlib.import_module(stage.module), stage.name)(project)
    return f"{_EXERCISES[stage.name]} work"


def _drift(project: Project) -> str:
    drift(project, current=project.root / "data/raw/doctor.csv", bundle=project.root / MODEL)
    return "evidently works"


def _dvc(project: Project) -> str:
    dvc = [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"]
    subprocess.run(dvc, cwd=project.root, capture_output=True, check=True)
    stale_stages(project.root)
    return f"dvc {version('dvc')} reads a pipeline"


def _tables(project: Project) -> str:
    if missing := [t for t in project.tables if not (project.root / t).is_file()]:
        raise MlopsError(
            f"{missing[0]} does not exist", hint="bring it back: `dvc checkout` or `dvc pull`"
        )
    return ", ".join(project.tables)


def _dvc_yaml(project: Project) -> str:
    if not (project.root / ".dvc").is_dir():
        raise MlopsError("the project is no DVC repository: .dvc is missing", hint="dvc init")
    check_dvc_yaml(project)
    return "is what mlops.yaml asks for"


def _registry(project: Project) -> str:
    tracker = open_tracker(project)
    champion = tracker.champion()
    return f"{tracker.address} answers, champion {champion.version if champion else 'none yet'}"


def _attempt(name: str, work: Callable[[], str]) -> Check:
    try:
        return Check(name, True, work())
    except MlopsError as e:
        return Check(name, False, e.message, e.hint)
    except Exception as e:  # noqa: BLE001  whatever a library raises, it does not work here
        found = redact(f"{type(e).__name__}: {' '.join(str(e).split())[:200]}")
        return Check(name, False, found, "reinstall in a new environment: pip install mlops-cli")


@contextmanager
def _embedded_registry() -> Iterator[None]:
    # The small project must never reach a registry that the user's environment names.
    uri = os.environ.pop("MLFLOW_TRACKING_URI", None)
    try:
        yield
    finally:
        if uri is not None:
            os.environ["MLFLOW_TRACKING_URI"] = uri
