"""What git knows of a project: commits, files as committed, settings; nobody else calls it."""

from __future__ import annotations

import getpass
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from mlops_cli._files import nearest
from mlops_cli.errors import EnvironmentFault, UsageError

_LIMIT = 30.0  # seconds
_MOST_CONFLICTS = 127  # that git merge-file counts; above it says that it cannot


def head(root: Path) -> str | None:
    """The commit that is checked out, in 40 hex digits; None without one."""
    return _text(_asked(root, "rev-parse", "--verify", "--quiet", "HEAD"))


def head_time(root: Path) -> int | None:
    """When that commit was made, in seconds since 1970; None without one."""
    said = _text(_asked(root, "log", "-1", "--format=%ct", "HEAD"))
    return int(said) if said else None


def setting(root: Path, name: str) -> str | None:
    """A value of git's configuration, such as `user.email`, as it counts in `root`."""
    return _text(_asked(root, "config", name))


def author(root: Path) -> str:
    """Who acts: git's identity as `NAME <EMAIL>`, else the name of the login."""
    if identity := _text(_asked(root, "var", "GIT_AUTHOR_IDENT")):
        return identity.rsplit(" ", 2)[0]
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a numeric user without a name, as in a container
        return str(os.getuid())


def added_lines(root: Path, path: str) -> tuple[bytes, ...]:
    """Every line that a commit up to HEAD ever added to the file `path`, relative to `root`."""
    how = ("-m", "--full-history", "--no-renames", "--unified=0", "--no-color", "--no-ext-diff")
    diffs = _asked(root, "log", "-p", "--format=", "--text", *how, "HEAD", "--", path) or b""
    added = (line[1:] for line in diffs.split(b"\n") if line.startswith(b"+"))
    return tuple(dict.fromkeys(line for line in added if not line.startswith(b"++ ")))


def in_git(root: Path) -> bool:
    """Whether the folder stands in a git work tree, whatever git itself says of it."""
    return nearest(root, ".git") is not None


def tracks(root: Path, path: str) -> bool:
    """Whether git keeps the file `path`, relative to `root`."""
    return _asked(root, "ls-files", "--error-unmatch", "--", path) is not None


def kept_files(root: Path) -> list[str]:
    """The files of `root` and the repository's workflows that git keeps, or would add."""
    which = ("--cached", "--others", "--exclude-standard", "--", ".", ":(top).github/workflows")
    printed = (_asked(root, "ls-files", "-z", *which) or b"").split(b"\0")
    return sorted({os.fsdecode(name) for name in printed if name})


def current_branch(root: Path) -> str | None:
    """The branch that is checked out, also before its first commit; None where none is."""
    return _text(_asked(root, "symbolic-ref", "--quiet", "--short", "HEAD"))


def default_branch(root: Path) -> str | None:
    """The branch that the remote `origin` calls its own, as far as the clone knows."""
    name = _text(_asked(root, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"))
    return name.removeprefix("origin/") if name else None


def branches(root: Path) -> list[str]:
    """The local branches."""
    asked = ("for-each-ref", "--format=%(refname:short)", "refs/heads")
    return (_text(_asked(root, *asked)) or "").split()


def commit_at(root: Path, revision: str) -> str | None:
    """The commit, in hex digits, that the revision names; None where git knows none."""
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return _text(_asked(root, *asked))


def commit_object(root: Path, commit: str) -> bytes | None:
    """The content of a commit, whose name is a digest of it; None where git does not have it."""
    return _asked(root, "cat-file", "commit", "--end-of-options", commit)


def experiment_at(root: Path, name: str) -> str | None:
    """The commit of DVC's experiment of that name, the newest of several; None where none is."""
    asked = ("for-each-ref", "--sort=-committerdate", "--format=%(objectname) %(refname)")
    refs = (_text(_asked(root, *asked, "refs/exps")) or "").splitlines()
    return next((ref.split()[0] for ref in refs if ref.endswith(f"/{name}")), None)


def commit_of(root: Path, revision: str) -> str:
    """The commit, in 40 hex digits, that `revision` names in the project's repository.

    Raises `UsageError` where git knows no such commit.
    """
    if found := commit_at(root, revision):
        return found
    raise UsageError(
        f"git knows no revision {revision!r} in {root}",
        hint="fetch it first, such as: git fetch origin main",
    )


def committed(root: Path, revision: str, path: str) -> bytes | None:
    """The file `path`, relative to the folder `root`, as committed; None where it is not there."""
    return _asked(root, "show", "--end-of-options", f"{revision}:./{path}")


def versions_of(root: Path, path: str) -> Iterator[bytes]:
    """What the file `path`, relative to `root`, holds, and held in every commit, newest first."""
    if (root / path).is_file():
        yield (root / path).read_bytes()
    commits = _text(_asked(root, "log", "--full-history", "--format=%H", "--", path)) or ""
    for commit in commits.split():
        if (content := committed(root, commit, path)) is not None:
            yield content


def dated_versions(root: Path, path: str, *, most: int) -> Iterator[tuple[str, datetime, bytes]]:
    """The newest `most` commits up to HEAD that changed the file `path`, newest first.

    Each with its time (UTC) and what the file held.
    """
    asked = ("log", f"--max-count={most}", "--format=%H %ct", "--", path)
    for line in (_text(_asked(root, *asked)) or "").splitlines():
        commit, _, seconds = line.partition(" ")
        if (content := committed(root, commit, path)) is not None:
            yield commit, datetime.fromtimestamp(int(seconds), UTC), content


def every_version(root: Path, *paths: str) -> Iterator[tuple[str, bytes]]:
    """What files of these names hold, and held in any commit of any branch: path and content.

    Paths are relative to `root`, and may be patterns of git's. Each content is given once.
    """
    how = ("--all", "--full-history", "-m", "--no-renames", "--format=", "--raw", "--no-abbrev")
    printed = (_asked(root, "log", *how, "--relative", "-z", "--", *paths) or b"").split(b"\0")
    seen: set[tuple[str, str]] = set()
    for about, name in pairwise(printed):
        fields = about.decode("ascii", "replace").strip().split(" ")
        blobs = fields[2:4] if len(fields) == 5 and fields[0].startswith(":") else ()
        for blob in blobs:
            key = (os.fsdecode(name), blob)
            if set(blob) != {"0"} and key not in seen:
                seen.add(key)
                if (content := _asked(root, "cat-file", "blob", blob)) is not None:
                    yield key[0], content


def commits_holding(root: Path, text: str) -> list[str]:
    """The commits of any branch that added or took away a line with this text."""
    asked = ("log", "--all", "--format=%H", f"-S{text}", "--", ".")
    return (_text(_asked(root, *asked)) or "").split()


def commit_with(root: Path, path: str, sha256: str) -> str | None:
    """The first commit of any branch where the file `path`, relative to `root`, has that digest."""
    asked = ("log", "--all", "--reverse", "--full-history", "--format=%H", "--", path)
    for commit in (_text(_asked(root, *asked)) or "").split():
        content = committed(root, commit, path)
        if content is not None and hashlib.sha256(content).hexdigest() == sha256:
            return commit
    return None


def top_of(root: Path) -> Path | None:
    """The top of the work tree that the folder stands in; None outside of one."""
    named = _text(_asked(root, "rev-parse", "--show-toplevel"))
    return Path(named) if named else None


def authors(root: Path, since: str | None, until: str, paths: Sequence[str]) -> set[str] | None:
    """The addresses of who wrote the commits of `paths` after `since` (None: ever), to `until`.

    With those whom a commit names as its further authors. None where this clone does not have
    all those commits.
    """
    if since and _asked(root, "merge-base", since, until) is None:
        return None
    if _text(_asked(root, "rev-parse", "--is-shallow-repository")) == "true":
        return None
    form = "--format=%ae%n%aE%n%(trailers:key=Co-authored-by,valueonly)"
    commits = [until, *([f"^{since}"] if since else [])]
    printed = _asked(root, "log", "--full-history", form, *commits, "--", *paths)
    if printed is None:
        return None
    lines = filter(None, printed.decode(errors="replace").splitlines())
    return {line.rpartition("<")[2].rstrip("> ").lower() for line in lines}


def changed_files(root: Path, since: str, until: str, paths: Sequence[str]) -> list[str]:
    """Those of `paths` that differ between two commits; none where git does not know them."""
    asked = ("diff", "--name-only", "--relative", "-z", since, until, "--", *paths)
    return [os.fsdecode(name) for name in (_asked(root, *asked) or b"").split(b"\0") if name]


def uncommitted(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Those of `paths`, relative to `root`, that are not as HEAD has them; without git none."""
    if not _asked(root, "status", "--porcelain", "--", *paths):  # one question, where all is well
        return ()
    return tuple(path for path in paths if _asked(root, "status", "--porcelain", "--", path))


def first_commit_of(root: Path, path: str) -> tuple[str, str] | None:
    """The commit, in hex digits, that first added `path`, and its subject; None without one."""
    asked = ("log", "--diff-filter=A", "--format=%H %s", "--", path)
    lines = (_text(_asked(root, *asked)) or "").splitlines()
    commit, _, subject = lines[-1].partition(" ") if lines else ("", "", "")
    return (commit, subject) if commit else None


def merge(base: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, bool]:
    """Merge the lines that changed from `base` to `theirs` into `ours`; and whether that went well.

    Where both changed the same lines, the text has git's marks around either. Raises
    `EnvironmentFault` without git.
    """
    with tempfile.TemporaryDirectory() as folder:
        names = ("yours", "before", "new")
        for name, text in zip(names, (ours, base, theirs), strict=True):
            (Path(folder) / name).write_bytes(text)
        labels = [part for name in names for part in ("-L", name)]
        try:
            done = subprocess.run(
                ["git", "merge-file", "--stdout", "--quiet", *labels, *names],
                cwd=folder,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as e:
            raise EnvironmentFault("git is not installed", hint="install git") from e
    if done.returncode > _MOST_CONFLICTS:  # what is no text cannot be merged
        return theirs, False
    return done.stdout, done.returncode == 0


def run(folder: Path, *command: str) -> str:
    """What git printed; raises `EnvironmentFault` with the end of what it complained of."""
    try:
        done = subprocess.run(
            ["git", *command],
            cwd=folder,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError as e:
        raise EnvironmentFault("git is not installed", hint="install git, or use --no-git") from e
    if done.returncode:
        complaint = (done.stderr or done.stdout).strip()[-300:]
        failed = f"git {' '.join(command[:2])} failed: {complaint}"
        raise EnvironmentFault(failed, hint="fix that first")
    return done.stdout


def _text(printed: bytes | None) -> str | None:
    return (printed or b"").decode(errors="replace").strip() or None


def _asked(root: Path, *command: str) -> bytes | None:
    """What git printed; None where it failed, or there is no git."""
    try:
        done = subprocess.run(
            ["git", *command], cwd=root, capture_output=True, timeout=_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
