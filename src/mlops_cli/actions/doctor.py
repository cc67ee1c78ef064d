"""Is everything here that a project needs, and does it work? By doing a small project's work."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version

from packaging.requirements import Requirement

from mlops_cli.actions.exercise import Check, attempt, exercises
from mlops_cli.audit.signatures import signer_faults
from mlops_cli.config.project import Project
from mlops_cli.config.written import HINT, secrets_in_files
from mlops_cli.errors import MlopsError, UsageError
from mlops_cli.governance.rules import main_rules
from mlops_cli.pipeline.dvc_yaml import check_dvc_yaml
from mlops_cli.progress import QUIET, Progress
from mlops_cli.serving.tls import load_pair
from mlops_cli.tables import open_cluster
from mlops_cli.tables.cluster import check_versions
from mlops_cli.targets.exposure import exposed, is_open
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION

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


def doctor(
    project: Project | None = None, *, deep: bool = False, progress: Progress = QUIET
) -> DoctorResult:
    """Check the installed packages, git, DVC and the libraries by use; then `project`, if any.

    `deep` imports every library by itself, and does the small project's work with a second
    estimator, a contract as pandera has it, and a server that answers.
    """
    checks: list[Check] = []
    for check in _checks(project, deep=deep):
        progress.log(f"{'ok ' if check.healthy else 'NOT'} {check.name}: {check.found}")
        checks.append(check)
    return DoctorResult(all(check.healthy for check in checks), tuple(checks))


def _checks(project: Project | None, *, deep: bool) -> Iterator[Check]:
    yield _python()
    yield _packages()
    yield _git()
    if deep:
        yield from _libraries()
    yield from exercises(deep=deep)
    if project is not None:
        yield attempt("tables", lambda: _tables(project))
        yield attempt("dvc.yaml", lambda: _dvc_yaml(project))
        yield attempt("secrets", lambda: _secrets(project))
        yield attempt("signers", lambda: _signers(project))
        yield attempt("port", lambda: _port(project))
        yield attempt("prediction log", lambda: _prediction_log(project))
        yield attempt("registry", lambda: _registry(project))
        if project.config.engine.spark:
            yield attempt("engine", lambda: _engine(project))


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")


def _packages() -> Check:
    wrong = [said for text in requires("mlops-cli") or () if (said := _unmet(Requirement(text)))]
    if all(_installed(name) for name in _XGBOOST):
        return Check("packages", False, _TWICE, _ONCE)
    if wrong:
        fix = f"pip install '{wrong[0].split(' is ')[0]}'"
        return Check("packages", False, "; ".join(wrong), fix)
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


def _libraries() -> Iterator[Check]:
    """A check for each package that ours asks for, in its order."""
    modules: dict[str, list[str]] = {}
    for module, packages in packages_distributions().items():
        for package in packages:
            modules.setdefault(package.lower(), []).append(module)
    for text in requires("mlops-cli") or ():
        requirement = Requirement(text)
        if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
            found = modules.get(requirement.name, [requirement.name.removesuffix("-cpu")])
            same = [m for m in found if m == requirement.name.replace("-", "_")]
            yield attempt(requirement.name, partial(_imported, same or found))


def _imported(modules: list[str]) -> str:
    names = [m for m in modules if m.isidentifier() and not m.startswith("_")]
    for name in names:
        importlib.import_module(name)
    return f"{', '.join(names)} can be imported"


def _git() -> Check:
    git = shutil.which("git")
    if git is None:
        return Check("git", False, "not on PATH", "install git, or use `mlops init --no-git`")
    done = subprocess.run([git, "--version"], capture_output=True, text=True, check=False)
    return Check("git", done.returncode == 0, done.stdout.strip() or done.stderr.strip())


def _tables(project: Project) -> str:
    if missing := [t for t in project.tables if not (project.root / t).exists()]:
        raise MlopsError(
            f"{missing[0]} does not exist", hint="bring it back: `dvc checkout` or `dvc pull`"
        )
    return ", ".join(project.tables)


def _dvc_yaml(project: Project) -> str:
    if project.dvc_folder is None:
        raise MlopsError("the project is no DVC repository: .dvc is missing", hint="dvc init")
    check_dvc_yaml(project)
    return "is what mlops.yaml asks for"


def _secrets(project: Project) -> str:
    if found := [f"{where}: {what}" for where, what in secrets_in_files(project.root)]:
        raise MlopsError("; ".join(found), hint=HINT)
    return "no file that git keeps has one by its form"


def _signers(project: Project) -> str:
    rules = main_rules(project)
    file, signers = rules.signers_file, rules.signers
    if signers is None:
        return "names are a convention: governance.signers is not set on the main line"
    if not signers:
        raise UsageError(
            f"governance.signers names {file}, which is not there on the main line: no approval "
            "counts",
            hint=f"write {file}, and commit it on the main line",
        )
    if found := signer_faults(signers):
        raise UsageError(f"{file}: {'; '.join(found)}", hint=f"correct {file} on the main line")
    return f"{file} can be read, every key from some time on"


def _port(project: Project) -> str:
    target = project.config.deploy.target
    if target == "local" and project.tls:
        load_pair(*project.tls)
    if lack := exposed(project, target):
        return lack
    if is_open(project, target):
        return f"others can ask what {target} answers, with a key and over TLS"
    return f"what {target} answers, this machine alone can ask"


def _prediction_log(project: Project) -> str:
    log, target = project.config.serve.log, project.config.deploy.target
    if log is None:
        return "is off (serve.log: null)"
    if target == "kubernetes" and log.to is None:
        return "pods that scale down take theirs along: run mlops collect often"
    return f"is uploaded to {log.to}" if log.to else "is kept until mlops collect brings it home"


def _registry(project: Project) -> str:
    tracker = open_tracker(project)
    champion = tracker.alias(CHAMPION)
    return f"{tracker.address} answers, champion {champion.version if champion else 'none yet'}"


def _engine(project: Project) -> str:
    with open_cluster(project.config.engine) as cluster:
        check_versions(cluster)
        return (
            f"{project.config.engine.spark} runs {cluster.slots} tasks at a time of validate, "
            "featurize, score and drift; training and all else is done here"
        )
