"""Read a YAML file as plain data; whatever is wrong with it is one readable line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mlops_cli._files import write_text
from mlops_cli.errors import UsageError
from mlops_cli.secret_forms import HINT, find_secret, refuse_secrets

_DEEPEST = 50
_MOST = 1_000_000  # values, where each alias (`*name`) counts as all that it stands for


def read_project_yaml(path: Path) -> Any:
    """The content of a file that a person writes and git keeps, as `read_yaml` reads it.

    Raises `UsageError` also for a literal that is a secret by its form, in comments, too, and where
    YAML writes it in another way: folded over lines, or with escapes.
    """
    content = read_yaml(path)
    refuse_secrets(path.read_text(encoding="utf-8"), path.name)
    if found := find_secret("\n".join(_texts(content))):
        said = f"{path.name}: {found[1]} may not stand here: it would be in git"
        raise UsageError(said, hint=HINT)
    return content


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict | list):
        parts = chain.from_iterable(content.items()) if isinstance(content, dict) else content
        yield from chain.from_iterable(map(_texts, parts))


def refuse_merge_marks(path: Path, *, hint: str | None = None) -> None:
    """Raise `UsageError` where the file holds both sides of a merge, with the marks of git."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    marked = next((n for n, line in enumerate(lines, 1) if line.startswith("<<<<<<< ")), None)
    if marked and any(line.startswith(">>>>>>> ") for line in lines[marked:]):
        raise UsageError(
            f"{path.name}, line {marked}: a merge left both sides there, between `<<<<<<<` and "
            "`>>>>>>>`",
            hint=hint
            or "keep what is right and delete the marks, or take one side whole: "
            f"git checkout --ours {os.path.relpath(path)} (or --theirs)",
        )


def read_yaml(path: Path) -> Any:
    """The content of a YAML 1.2 file; raises `UsageError` with line and column.

    Only plain data is read: no tag makes an object of a class. Files that are too large once
    their aliases are filled in, or hold text that is no Unicode, are refused.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as e:
        raise UsageError(f"{path} does not exist", hint="check the name") from e
    return parse_yaml(raw, path)


def parse_yaml(raw: bytes, path: Path) -> Any:
    """The content that `raw` has as YAML, as `read_yaml`; `path` is what errors call it."""
    try:
        content = deepcopy(_parsed(raw.decode("utf-8")))
    except UnicodeDecodeError as e:
        raise UsageError(f"{path.name} is not UTF-8: {e}", hint="save it as UTF-8") from e
    except YAMLError as e:
        refuse_merge_marks(path)
        mark = getattr(e, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(e, "problem", None) or str(e).splitlines()[0]
        raise _refused(path, f"{where}: {what}") from e
    except RecursionError as e:
        raise _refused(path, f" is nested deeper than {_DEEPEST}") from e
    except (ValueError, OverflowError) as e:  # `2013-99-99`, or a number of thousands of digits
        raise _refused(path, f" holds a value that cannot be read: {e}") from e
    if fault := _fault_of(content):
        raise _refused(path, fault)
    return content


@lru_cache(maxsize=4)  # a contract of 3,000 columns takes 2 s, and a command reads it twice
def _parsed(text: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # YAML allows it, and a warning helps nobody
    return yaml.load(text)


def set_value(path: Path, section: str, key: str, value: object) -> None:
    """Set a key of a section in a YAML file; its comments and the order of its keys survive."""
    yaml = YAML()
    yaml.width = 4096
    content = yaml.load(path.read_text(encoding="utf-8"))
    content.setdefault(section, {})[key] = value
    text = StringIO()
    yaml.dump(content, text)
    write_text(path, text.getvalue())


def _refused(path: Path, said: str) -> UsageError:
    printable = said[:300].encode("utf-8", "backslashreplace").decode("utf-8")
    return UsageError(f"{path.name}{printable}", hint="fix the YAML there")


def _fault_of(content: Any) -> str | None:
    """What makes plain data unfit to be looked at any further."""
    left, seen = [(content, 0)], 0
    while left:
        value, depth = left.pop()
        seen += 1
        if depth > _DEEPEST:
            return f" is nested deeper than {_DEEPEST}"
        if seen > _MOST:
            return f" holds more than {_MOST} values: it names its aliases in one another"
        if isinstance(value, str) and not _is_text(value):
            return f" holds {ascii(value)[:80]}, which is no text"
        if isinstance(value, dict):
            left.extend((part, depth + 1) for pair in value.items() for part in pair)
        elif isinstance(value, list | tuple | set):
            left.extend((item, depth + 1) for item in value)
    return None


def _is_text(value: str) -> bool:
    """Half a surrogate pair is no character, and a null ends a file's name."""
    return "\x00" not in value and not any(0xD800 <= ord(c) < 0xE000 for c in value)
