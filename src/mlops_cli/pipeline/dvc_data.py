"""What DVC keeps, brought to another place: the one module that moves its objects."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("DVC_NO_ANALYTICS", "1")  # read when DVC is imported

from dvc.exceptions import DvcException
from dvc.fs import LocalFileSystem
from dvc.repo import Repo

from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import silenced

_OURS = "mlops-of-the-project"  # the cache that is read, as a remote of the copy


def cache_folder(root: Path) -> Path:
    """Where DVC keeps the objects of the project in `root` on this machine."""
    with _repo(root) as repo:
        return Path(repo.cache.local.path).parents[1]


def read_from(root: Path, project: Path, cache: Path | None = None) -> None:
    """Have the repository in `root`, a copy of the one in `project`, write to `cache` alone.

    None: to the project's own. It reads what that one has, and its remotes by the project's own
    settings.
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
        config["cache"]["dir"] = str(cache or kept)
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


def add(root: Path, file: str) -> None:
    """Have DVC track the file as it is now; its path is relative to `root`."""
    with _faults(file), _repo(root) as repo:
        repo.add([str(root / file)])


@dataclass(frozen=True, slots=True)
class Store:
    """Where DVC keeps objects by their md5 (32 hex digits): its cache, or a remote."""

    name: str
    _objects: Any

    @property
    def local(self) -> Path | None:
        """Its folder, where it is one of this machine."""
        return Path(self._objects.path) if self._objects.fs.protocol == "local" else None

    def holds(self, md5: str) -> bool:
        """Whether it has the object."""
        with _faults(self.name):
            return bool(self._objects.exists(md5))

    def every(self) -> Iterator[str]:
        """Every object that it has."""
        with _faults(self.name):
            yield from self._objects.all()

    def read(self, md5: str, folder: Path) -> Path:
        """The object as a file: its own where it is on this machine, else a copy in `folder`."""
        path = self._objects.oid_to_path(md5)
        if self.local is not None:
            return Path(path)
        copy = folder / md5
        with _faults(self.name):
            self._objects.fs.get_file(path, str(copy))
        return copy

    def put(self, md5: str, file: Path) -> None:
        """Keep the file as that object, whole or not at all."""
        with _faults(self.name):
            self._objects.add(str(file), LocalFileSystem(), md5)

    def drop(self, md5: str) -> None:
        """Remove the object; nothing where it is not there."""
        with _faults(self.name):
            if self._objects.exists(md5):
                self._objects.fs.remove(self._objects.oid_to_path(md5))


def stores(root: Path) -> tuple[list[Store], dict[str, str]]:
    """DVC's cache of the project in `root`, and each of its remotes, in that order.

    And why others of them cannot be opened, such as for a package that is missing.
    """
    lost = {}
    with _repo(root) as repo:
        found = [Store("DVC's cache", repo.cache.local)]
        for name in repo.config["remote"]:
            called = f"DVC's remote {name}"
            try:
                with _faults(called):
                    found.append(Store(called, repo.cloud.get_remote_odb(name)))
            except EnvironmentFault as e:
                lost[called] = e.message
    return found, lost


def md5_of(file: Path) -> str:
    """By what name DVC keeps a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextmanager
def _faults(where: str) -> Iterator[None]:
    try:
        yield
    except (DvcException, OSError, ImportError) as e:
        said = " ".join(str(e).split())[:300]
        raise EnvironmentFault(
            f"{where}: {said}", hint="may it be written, and does it answer? dvc remote list"
        ) from e


@contextmanager
def _repo(root: Path) -> Iterator[Repo]:
    try:
        with silenced("dvc", "dvc_data", "dvc_objects"), Repo(str(root)) as repo:
            yield repo
    except DvcException as e:
        said = " ".join(str(e).split())[:300]
        raise EnvironmentFault(f"DVC in {root}: {said}", hint="`dvc doctor` tells more") from e
