"""The one module that knows DVC: run the pipeline in this process, and ask for its state."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from mlops_cli._files import nearest
from mlops_cli.config.document import refuse_merge_marks
from mlops_cli.config.paths import DVC_LOCK, DVC_YAML
from mlops_cli.errors import EnvironmentFault, MlopsError, UsageError

os.environ.setdefault("DVC_NO_ANALYTICS", "1")  # read when DVC is imported

from dvc.api import DVCFileSystem
from dvc.exceptions import (
    CyclicGraphError,
    DvcException,
    NotDvcRepoError,
    ReproductionError,
)
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage.exceptions import StageCmdFailedError
from dvc.ui import ui
from dvc_data.index import DataIndexDirError

from mlops_cli.pipeline.dvc_repair import is_cut, set_unreadable_files_aside
from mlops_cli.progress import QUIET, Progress, silenced
from mlops_cli.stages import STAGES


class StageFailed(MlopsError):
    """A stage's command ended with a failure; `stage` is its name."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


def reproduce(
    root: Path, targets: Sequence[str], progress: Progress = QUIET, *, force: bool = False
) -> list[str]:
    """Run what has changed of `targets` and their upstream (none: of the whole pipeline).

    `force` runs what has not changed, too.

    Returns the names of the stages that were run or restored from DVC's run cache. Raises
    `StageFailed` for a stage whose command failed, KeyboardInterrupt for one that Ctrl-C ended,
    and a typed error for what DVC refuses.
    """
    _refuse_merge_marks(root)
    with _quiet(), _our_interpreter_first():
        if is_cut(root):
            _repair(root, progress)
        try:
            return _reproduce(root, targets, force=force)
        except (EnvironmentFault, UsageError):
            if not _repair(root, progress):
                raise
        return _reproduce(root, targets, force=force)


def _reproduce(root: Path, targets: Sequence[str], *, force: bool) -> list[str]:
    with _repo(root) as repo:
        try:
            done = repo.reproduce(targets=list(targets) or None, on_error="fail", force=force)
        except ReproductionError as e:
            raise _reproduction_error(e) from e
        except DvcException as e:
            raise _typed(e) from e
    return [stage.addressing for stage in done if hasattr(stage, "name")]


def _repair(root: Path, progress: Progress) -> bool:
    """Set aside what a killed process left unreadable, and say so; whether there was any."""
    with _repo(root) as repo:
        try:
            with repo.lock:
                unreadable = set_unreadable_files_aside(root)
        except LockError:
            return False
    for name, aside in unreadable.items():
        progress.log(f"{name} was cut off while it was written: moved to {aside} and made anew")
    return bool(unreadable)


def stale_stages(root: Path) -> dict[str, str]:
    """The stages that are not up to date, each with what changed, in a few words."""
    _refuse_merge_marks(root)
    with _quiet(), _repo(root) as repo:
        try:
            status: dict[str, list[Any]] = repo.status(targets=[DVC_YAML])
        except DvcException as e:
            raise _typed(e) from e
    return {name: _changes(entries) for name, entries in status.items()}


def _refuse_merge_marks(root: Path) -> None:
    """In what DVC reads, beside what `mlops.yaml` and `dvc.yaml` say of themselves."""
    either = f"take either side: git checkout --ours {DVC_LOCK} && mlops run"
    refuse_merge_marks(root / DVC_LOCK, hint=either)
    for file in root.glob("data/**/*.dvc"):
        refuse_merge_marks(file)


def add(root: Path, path: str) -> None:
    """Put the file `path` under DVC, which writes `path`.dvc and an entry of .gitignore."""
    with _quiet(), _repo(root) as repo:
        try:
            repo.add([path])
        except DvcException as e:
            raise _typed(e) from e


@contextmanager
def reader_at(root: Path, revision: str) -> Iterator[Callable[[str], bytes | None]]:
    """A function that reads files as they were at a commit, also those that DVC keeps.

    It gives None for what is not there, neither in this clone nor in DVC's remote.
    """
    found = nearest(root, ".git")  # of a commit DVC knows the whole repository
    top = found.parent if found else root
    inside = root.relative_to(top)

    def read(path: str) -> bytes | None:
        try:
            return bytes(files.read_bytes((inside / path).as_posix()))
        except (OSError, DvcException, DataIndexDirError):
            return None

    with _quiet():
        try:
            files = DVCFileSystem(str(top), rev=revision, subrepos=True)
        except DvcException as e:
            raise _typed(e) from e
        yield read


def _changes(entries: Sequence[Any]) -> str:
    said: list[str] = []
    for entry in entries:
        if isinstance(entry, str):
            said.append(entry)
            continue
        for kind, what in entry.items():
            names = list(what) if isinstance(what, dict) else [str(what)]
            said.append(f"{kind}: {', '.join(map(str, names))}")
    return "; ".join(said)[:200]


@contextmanager
def _repo(root: Path) -> Iterator[Repo]:
    try:
        repo = Repo(str(root))
    except NotDvcRepoError as e:
        raise UsageError(
            f"{root} is not a DVC repository",
            hint="run `dvc init` there (`dvc init --subdir` inside another git repository)",
        ) from e
    except DvcException as e:
        raise _typed(e) from e
    with repo, chdir(root):  # DVC looks for dvc.yaml where the process stands
        yield repo


def _reproduction_error(e: ReproductionError) -> MlopsError:
    cause = e.__cause__
    name = str(e).partition("'")[2].rpartition("'")[0] or str(e)
    if isinstance(cause, StageCmdFailedError):
        if re.search(r"exited with (-2|130)$", str(cause)):  # Ctrl-C, before it could say so
            raise KeyboardInterrupt from e
        return StageFailed(name, f"the stage {name!r} failed: {str(cause)[:200]}")
    if isinstance(cause, DvcException):
        return _typed(cause, where=f"stage {name!r}: ")
    return EnvironmentFault(
        f"stage {name!r}: {str(cause)[:300]}",
        hint="is there space, and may this folder be written?",
    )


def _typed(e: DvcException, *, where: str = "") -> MlopsError:
    said = " ".join(str(e).split()).partition(" Most likely another DVC process")[0]
    text = f"{where}{said[:400]}"
    if isinstance(e, LockError) or "is busy" in text or "Unable to acquire lock" in text:
        text += "" if "PID" in text else _holder()
        return EnvironmentFault(
            f"another DVC command works in this project: {text}", hint="wait until it has ended"
        )
    if isinstance(e, CyclicGraphError):
        return UsageError(f"dvc.yaml: {text}", hint="a stage may not depend on what follows it")
    if unknown := re.search(r"Stage '(.+)' not found inside", said):
        return _unknown_stage(unknown[1])
    if "missing data" in text or "does not exist" in text:
        return UsageError(text, hint="bring the file back: `dvc checkout`, `dvc pull`, or copy it")
    return EnvironmentFault(text, hint="`dvc doctor` and `dvc status` tell more")


def _unknown_stage(name: str) -> UsageError:
    known = [stage.name for stage in STAGES]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return UsageError(
        f"dvc.yaml has no stage {name!r}",
        hint=f"did you mean `{near[0]}`?" if near else f"ours are {', '.join(known)}",
    )


def _holder() -> str:
    try:  # zc.lockfile writes who has it; `_repo` stands in the project's folder
        folder = nearest(Path.cwd(), ".dvc") or Path()
        return f" (PID {int((folder / 'tmp/lock').read_text())})"
    except (OSError, ValueError):
        return ""


@contextmanager
def _quiet() -> Iterator[None]:
    if sys.stderr.isatty():
        ui.error_console.quiet = True  # where it turns a wheel while it looks at the graph
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)  # whatever a stage or DVC prints must not mix with our result
    try:
        with silenced("dvc", "dvc_data", "dvc_objects"):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


@contextmanager
def _our_interpreter_first() -> Iterator[None]:
    # Who calls .venv/bin/mlops by its path has it nowhere on PATH, and dvc.yaml says `mlops`.
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    try:
        yield
    finally:
        os.environ["PATH"] = path
