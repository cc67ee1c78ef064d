"""Small projects that the command line made and ran: once for all workers, then copied.

They stand in the temporary folder below a digest of what made them (src, templates, lock, recipes,
environment), so that the next session of the same sources has them, too.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bad_tables
from command_line import Done, mlops_process

ROOT = Path(__file__).resolve().parents[1]
_KEPT = 2 * 86_400  # seconds that projects of other sources stay


def parcels(path: Path, rows: int = 600) -> Path:
    """Parcels that are late when they are heavy, or far away in the evening: a CSV file."""
    lines = ["sent,depot,weight,km,hours"]
    for i in range(rows):
        weight, km, hour = i * 7 % 41, i * 13 % 97, i % 24
        hours = weight + km / 10 + (hour > 17) * 12 + i * 31 % 11
        gap = "" if i % 29 == 0 else str(km)
        sent = f"2024-{1 + i * 6 // rows:02}-{1 + i % 28:02}T{hour:02}:00:00Z"
        lines.append(f"{sent},{'NSW'[i % 3]},{weight},{gap},{hours}")
    path.write_text("\n".join(lines) + "\n")
    return path


def people(path: Path, rows: int = 400) -> Path:
    """People who buy where they earn much; `person` names the row: a CSV file."""
    lines = ["person,city,age,income,bought"]
    for i in range(rows):
        age, income = 18 + i * 7 % 60, i * 37 % 200 * 500
        bought = int(income + i * 31 % 23 * 2000 > 60_000)
        lines.append(f"person-{i:05}-zq,{('Oslo', 'Bergen')[i % 2]},{age},{income},{bought}")
    path.write_text("\n".join(lines) + "\n")
    return path


def _table(path: Path) -> None:
    path.write_text(bad_tables.as_csv(bad_tables.columns()))


# A project's name: its data file and who writes it, what `init` is asked, and the search's section.
Recipe = tuple[str, Callable[[Path], object], tuple[str, ...], str]
RECIPES: dict[str, Recipe] = {
    "parcels": (
        "parcels.csv",
        parcels,
        ("--target", "late = hours > 40", "--time", "sent"),
        "tune: {trials: 3, rounds: 15}",
    ),
    "people": ("people.csv", people, ("--target", "bought"), "tune: {trials: 2, rounds: 5}"),
    "p": ("table.csv", _table, ("--target", "y"), "tune: {trials: 2, rounds: 5}"),
}


def started(name: str) -> Path:
    """The project `name` as `init` made it, with a short search; nothing ran. Not to be changed."""
    return _once(f"{name}-started", functools.partial(_start, name)) / name


def finished(name: str) -> Path:
    """The project `name`, run once, whole. Not to be changed: see `copy`."""
    return _once(f"{name}-finished", functools.partial(_finish, name)) / name


def twice() -> Path:
    """A folder with `people`, finished, and its DVC remote, with two versions of the data in both.

    The second has a person more. Not to be changed; a copy of the folder is whole.
    """
    return _once("twice", _twice)


def how_it_ran(name: str) -> Done:
    """What `mlops run --json` said when it made `finished(name)`."""
    folder = finished(name).parent
    return Done(0, (folder / "out").read_text(), (folder / "err").read_text())


def with_database(root: Path) -> Path:
    """The folder `root`, with a registry's empty database, whose tables take seconds to make."""
    made = _once("database", _database)
    shutil.copyfile(made / "mlflow.db", root / "mlflow.db")
    return root


def _database(folder: Path) -> None:
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()


def copy(project: Path, to: Path) -> Path:
    """A copy of a project that shares no file with it."""
    return Path(shutil.copytree(project, to, symlinks=True))


def registered(project: Path) -> list[str]:
    """The digests of the registry's versions, one for each version."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    return [version.tags["digest"] for version in client.search_model_versions()]


def _start(name: str, folder: Path) -> None:
    data, write, asked, search = RECIPES[name]
    write(folder / data)
    _mlops(folder, "init", name, "--data", data, *asked)
    config = folder / name / "mlops.yaml"
    text = config.read_text()
    assert "tune: {}" in text
    config.write_text(text.replace("tune: {}", search))


def _finish(name: str, folder: Path) -> None:
    copy(started(name), folder / name)
    done = _mlops(folder / name, "run", "--json")
    (folder / "out").write_text(done.out)
    (folder / "err").write_text(done.err)


def _twice(folder: Path) -> None:
    made, table = copy(finished("people"), folder / "people"), "data/raw/people.csv"
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@x.example")

    def command(*words: str) -> None:
        path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run(words, cwd=made, check=True, env=_env() | path, capture_output=True)

    def commit() -> None:
        command("git", "add", "-A")
        command("git", *who, "commit", "-qm", "work")

    commit()
    command("dvc", "remote", "add", "-q", "-d", "store", "../remote")
    command("dvc", "push", "-q")
    text = (made / table).read_text()
    (made / table).unlink()
    (made / table).write_text(text + "person-90000-zq,Oslo,40,50000,1\n")
    command("dvc", "add", "-q", table)
    command("dvc", "push", "-q")
    commit()


def _mlops(folder: Path, *arguments: str) -> Done:
    """A command as from a shell of a stranger, who has it nowhere on the PATH."""
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return mlops_process(folder, *arguments, code=0, env=_env() | path)


def _env() -> dict[str, str]:
    home = str(_folder() / "home")
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return env | {"HOME": home, "XDG_CONFIG_HOME": home, "DVC_SITE_CACHE_DIR": home}


def _once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, made by whoever asks first; the others wait."""
    folder = _folder() / name
    with _locked(folder.with_suffix(".lock")):
        if not folder.exists():
            half_made = folder.with_suffix(".tmp")
            shutil.rmtree(half_made, ignore_errors=True)
            half_made.mkdir()
            make(half_made)
            half_made.rename(folder)
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@functools.cache
def _folder() -> Path:
    """Where the projects of these sources stand."""
    above = Path(tempfile.gettempdir()) / f"mlops-cli-tests-{os.getuid()}" / "projects"
    digest = hashlib.sha256(sys.prefix.encode())  # what is installed is recorded in each bundle
    sources = [p for f in ("src", "templates") for p in (ROOT / f).rglob("*") if p.is_file()]
    recipes = (ROOT / "requirements-dev.lock", Path(__file__), Path(bad_tables.__file__))
    for path in [*sorted(p for p in sources if "__pycache__" not in p.parts), *recipes]:
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    folder = above / f"{digest.hexdigest()[:16]}-{sys.version_info[1]}"
    (folder / "home").mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    for other in above.iterdir():
        if other.stat().st_mtime < time.time() - _KEPT:
            shutil.rmtree(other, ignore_errors=True)
    return folder
