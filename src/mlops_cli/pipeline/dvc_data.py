"""What DVC keeps, brought to another place: the one module that moves its objects."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("DVC_NO_ANALYTICS", "1")  # read when DVC is imported

from dvc.exceptions import DvcException
from dvc.repo import Repo

from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import silenced

_OURS = "mlops-of-the-project"  # the cache that is read, as a remote of the copy


def cache_folder(root: Path) -> Path:
    """Where DVC keeps the objects of the project in `root` on this machine."""
    with _repo(root) as repo:
        return Path(repo.cache.local.path).parents[1]


def read_from(root: Path, project: Path, cache: Path) -> None:
    """Have the repository in `root`, a copy of the one in `project`, write to `cache` alone.

    It reads what the project's own cache has, and its remotes by the project's own settings.
    """
    kept = cache_folder(project)
    with _repo(project) as repo:
        settings = Path(repo.dvc_dir, "config.local")
    with _repo(root) as repo:
        local = Path(repo.dvc_dir, "config.local")
        if settings.is_file():
            shutil.copyfile(settings, local)
            local.chmod(0o600)
    with _repo(root) as repo, repo.config.edit("local") as config:
        config["cache"]["dir"] = str(cache)
        config["remote"][_OURS] = {"url": str(kept)}


def bring(root: Path, files: Sequence[str]) -> list[str]:
    """Bring what the `.dvc` files name, from the project's cache or its remote; what is nowhere.

    Paths are relative to `root`.
    """
    lacking = list(files)
    for remote in (_OURS, None):
        if not lacking:
            break
        with _repo(root) as repo:
            if remote is None and not repo.config["core"].get("remote"):
                break
            try:
                targets = [str(root / file) for file in lacking]
                repo.pull(targets, remote=remote, allow_missing=True)
            except DvcException as e:
                if remote is None:
                    said = " ".join(str(e).split())[:300]
                    raise EnvironmentFault(f"DVC: {said}", hint="dvc pull tells more") from e
        lacking = [file for file in lacking if not (root / file.removesuffix(".dvc")).exists()]
    return lacking


@contextmanager
def _repo(root: Path) -> Iterator[Repo]:
    try:
        with silenced("dvc", "dvc_data", "dvc_objects"), Repo(str(root)) as repo:
            yield repo
    except DvcException as e:
        said = " ".join(str(e).split())[:300]
        raise EnvironmentFault(f"DVC in {root}: {said}", hint="`dvc doctor` tells more") from e
