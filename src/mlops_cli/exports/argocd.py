"""`mlops export argocd`: an Application, and the chart beside it that it applies from git."""

from __future__ import annotations

from pathlib import Path

from mlops_cli import _git
from mlops_cli._templates import render_yaml
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.helm import helm_files
from mlops_cli.exports.manifests import values
from mlops_cli.packaging.origin import origin
from mlops_cli.targets.kubernetes.manifests import Spec

_SOURCE = "org.opencontainers.image.source"
_CHART = "chart"


def argocd_files(project: Project, spec: Spec, folder: Path, *, number: str) -> Rendered:
    """The Application, and in `chart/` what `helm_files` makes; `folder` is where they will be.

    Raises `UsageError` where git knows no remote, or the folder is not in the repository.
    """
    chart = helm_files(spec, number=number)
    text = render_yaml(
        "argocd/application.yaml.j2",
        **values(spec),
        repository=_remote(project),
        revision=_git.default_branch(project.root) or "HEAD",
        path=_path(project, folder),
    )
    files = {"application.yaml": text}
    files |= {f"{_CHART}/{name}": content for name, content in chart.files.items()}
    fights = (
        "Argo CD and `mlops deploy` would fight over the same fields: a version is deployed by the "
        "commit of this export, and no longer by mlops deploy"
    )
    return Rendered(files, (fights, *chart.remarks))


def _remote(project: Project) -> str:
    found = origin(project.root).get(_SOURCE)
    if not found:
        raise UsageError(
            f"{project.root} has no remote `origin`, from which Argo CD is to read",
            hint="git remote add origin URL",
        )
    return found


def _path(project: Project, folder: Path) -> str:
    top = _git.top_of(project.root)
    there = folder.resolve() / _CHART
    if top is None or not there.is_relative_to(top.resolve()):
        raise UsageError(
            f"{folder} is not in the project's repository, from which Argo CD is to read",
            hint="name a folder in it: deploy/argocd",
        )
    return there.relative_to(top.resolve()).as_posix()
