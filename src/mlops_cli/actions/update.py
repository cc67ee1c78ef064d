"""`mlops init --update`: merge what the template changed into the files of a project."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops_cli import _git
from mlops_cli._files import write_bytes
from mlops_cli.config.paths import CACHE, CONFIG
from mlops_cli.config.project import Project
from mlops_cli.scaffold.given import Facts, Record, given, read_record, write_record
from mlops_cli.scaffold.repository import FIRST_SUBJECT, repository_of

ASIDE = f"{CACHE}/update"  # where the template's text of a conflict is kept


@dataclass(frozen=True, slots=True)
class FileChange:
    """What became of one file: `diff` is what changed, or, of a conflict, what was not taken.

    `conflict`: the project's own file is kept, and `ASIDE/PATH` has both with git's marks.
    `removed`: it is not there, and stays away.
    """

    path: str
    state: Literal["updated", "new", "conflict", "removed"]
    diff: str


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """From which release's template (None: not known) to which one, and the files that differ."""

    project: str
    before: str | None
    after: str
    files: tuple[FileChange, ...]

    @property
    def conflicts(self) -> tuple[FileChange, ...]:
        """The files in which the project and the template changed the same lines."""
        return tuple(file for file in self.files if file.state == "conflict")


def update_project(project: Project) -> UpdateResult:
    """Merge what the template changed since into the project's files, and keep what is its own.

    `mlops.yaml` and contracts are left alone: they are the project's, and a section that is new
    comes with `mlops run`. What changed is written, not committed. A project without a record of
    what it was given (of 0.1 and 0.2) has it from its first commit, where `mlops init` made that;
    else every file that differs is a conflict, once.
    """
    new = given(_facts(project))
    old = read_record(project.root) or _of_first_commit(project, new.files)
    changes: list[FileChange] = []
    texts: dict[Path, bytes] = {}
    for path, text in new.files.items():
        change, written = _merged(project.root, path, old.files.get(path), text)
        if change:
            changes.append(change)
        texts |= written
    for target, content in texts.items():
        write_bytes(target, content)
    write_record(project.root, new)
    return UpdateResult(str(project.root), old.version or None, new.version, tuple(changes))


def _merged(
    root: Path, path: str, before: str | None, text: str
) -> tuple[FileChange | None, dict[Path, bytes]]:
    """What becomes of a file, and what is to be written where."""
    file, new = root / path, text.encode()
    if not file.exists():
        if before is not None:
            return (FileChange(path, "removed", "") if before != text else None), {}
        return FileChange(path, "new", _diff(path, b"", new)), {file: new}
    ours = file.read_bytes()
    base = (before or "").encode()
    if b"\r\n" in ours:
        base, new = base.replace(b"\n", b"\r\n"), new.replace(b"\n", b"\r\n")
    if ours == new or base == new:
        return None, {}
    merged, clean = _git.merge(base, ours, new)
    if not clean:
        aside = root / ASIDE / path.replace("../", "")  # what stands above is kept aside here, too
        return FileChange(path, "conflict", _diff(path, ours, new)), {aside: merged}
    if merged == ours:
        return None, {}
    return FileChange(path, "updated", _diff(path, ours, merged)), {file: merged}


def _diff(path: str, before: bytes, after: bytes) -> str:
    old, new = (text.decode(errors="replace").splitlines() for text in (before, after))
    return "\n".join(difflib.unified_diff(old, new, path, path, lineterm="", n=1))


def _facts(project: Project) -> Facts:
    config, root = project.config, project.root
    found = repository_of(root, inclusive=True)
    return Facts(
        project=config.project,
        task=config.task,
        table=config.data.table,
        target_name=config.data.target_name,
        expression=config.data.target_expression,
        contract=config.contract,
        reference=not (root / config.data.table).resolve().is_relative_to(root.resolve()),
        folder=found.path if found and found.path != "." else None,
    )


def _of_first_commit(project: Project, paths: Mapping[str, str]) -> Record:
    """What the first commit has of these files, where it is the one that `mlops init` made."""
    found = _git.first_commit_of(project.root, CONFIG)
    if found is None or not found[1].endswith(FIRST_SUBJECT):
        return Record("", {})
    known = {path: _git.committed(project.root, found[0], path) for path in paths}
    return Record("", {p: text.decode() for p, text in known.items() if text is not None})
