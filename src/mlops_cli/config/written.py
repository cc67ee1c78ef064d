"""Secrets in whatever a project gives to git: examples, workflows, tests, templates, all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlops_cli._git import kept_files
from mlops_cli.secret_forms import find_secret

HINT = "take it out, and let the environment bring it; make it void if it was ever committed"
_MOST = 1_000_000  # bytes of a file that are looked at


def secrets_in_files(root: Path) -> Iterator[tuple[str, str]]:
    """Each file with a literal that is a secret by its form: `FILE, line N`, and what it is.

    Of every file of the project, and of the repository's workflows, that git keeps or would add;
    of those that are text, the first megabyte. The first literal of a file counts.
    """
    for name in kept_files(root):
        if found := find_secret(_text(root / name)):
            line, what = found
            yield f"{name}, line {line}", what


def _text(path: Path) -> str:
    try:
        if path.is_symlink() or not path.is_file():
            return ""
        with path.open("rb") as file:
            start = file.read(_MOST)
    except OSError:
        return ""
    return "" if b"\0" in start else start.decode("utf-8", "replace")
