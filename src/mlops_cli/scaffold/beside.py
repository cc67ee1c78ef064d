"""A project beside what already stands in its folder: nothing of the user's is overwritten."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlops_cli._files import write_text
from mlops_cli.config.paths import AUDIT_LOG, CONFIG, DVC_LOCK, DVC_YAML
from mlops_cli.errors import UsageError
from mlops_cli.scaffold.repository import ignored
from mlops_cli.stages import PIPELINE

_JOINED = (".gitignore", ".gitattributes")  # what ours lack is added at their end
_THEIRS = ("README.md", "tests/test_project.py", "tests/examples.json")  # theirs does as well


@contextmanager
def folder_beside(directory: Path) -> Iterator[Path]:
    """A temporary folder inside `directory`, so that git and DVC see it where it will be."""
    with TemporaryDirectory(prefix=".mlops-new-", dir=directory) as temporary:
        yield Path(temporary)


def check_place(directory: Path, data: Path, *, table: str, git: bool) -> None:
    """Raise `UsageError`, naming all of them, for what the pipeline would replace or git ignore."""
    written = (path for stage in PIPELINE for path in stage.written)
    found = [
        f"{path} is there, and the pipeline would replace it"
        for path in (*written, AUDIT_LOG)
        if (directory / path).exists()
    ]
    if (directory / table).exists() and not _same(data, directory / table):
        found.append(f"{table} is there, and is another one")
    kept = [CONFIG, DVC_YAML, DVC_LOCK, "metrics.json", "decision.json", AUDIT_LOG, f"{table}.dvc"]
    if git:
        found += [
            f"git ignores {path}, which belongs into git ({rule})"
            for path, rule in ignored(directory, kept).items()
        ]
    _refuse(directory, found)


def join(made: Path, directory: Path) -> list[str]:
    """Move the files of `made` into `directory`; those of the user's that stay instead of ours.

    Raises `UsageError`, with nothing moved, where a file stands in the way of ours.
    """
    names = [p.relative_to(made).as_posix() for p in made.rglob("*") if not p.is_dir()]
    same = {n for n in names if _same(made / n, directory / n)}
    taken = {n for n in names if (directory / n).exists()} - same - {*_JOINED, DVC_YAML}
    _refuse(
        directory, [f"{name} is there, and is another one" for name in sorted(taken - {*_THEIRS})]
    )
    for name in sorted(set(names) - same - taken, key=lambda name: name == CONFIG):
        source, target = made / name, directory / name
        if name in _JOINED and target.exists():
            write_text(target, _joined(target.read_text("utf-8"), source.read_text("utf-8")))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    return sorted(taken)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _joined(theirs: str, ours: str) -> str:
    known = {line.strip() for line in theirs.splitlines()}
    lines = ours.splitlines()
    missing = [line for line in lines if line.startswith("#") or line.strip() not in known]
    rules = [line for line in missing if line and not line.startswith("#")]
    if not rules:
        return theirs
    return (
        theirs + ("" if theirs.endswith("\n") or not theirs else "\n") + "\n".join(missing) + "\n"
    )


def _refuse(directory: Path, found: list[str]) -> None:
    if found:
        raise UsageError(
            f"{directory.resolve()}: " + "; ".join(found),
            hint="move or rename what is in the way, or make the project in a folder of its own: "
            "mlops init NAME --data FILE --target COLUMN",
        )
