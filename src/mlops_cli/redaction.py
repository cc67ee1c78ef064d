"""Take secrets out of text before anybody, or any file, gets to see it.

What is taken for one: the login of a URL and its parameters that are named like a secret, an
`Authorization` header, and wherever they stand the values of environment variables that are named
like a secret and the passwords of URLs in the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
_SHORTEST = 6  # characters: a shorter value, such as `true`, would hide words that say nothing
# Up to the last @, since a password may hold one, or a slash; a path (`file:///me@home`) is none.
# One slash is left of two where a URL was taken for a path.
_LOGIN = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]+:(?://(?!/)(?=[^\s\"'<>]*@)|/(?!/)(?=[^\s\"'<>/]*@)))([^\s\"'<>]*)@"
)
_TELLING = r"[\w-]*(?:passw|passphrase|secret|token|credential|signature|api-?key)[\w-]*"
_PARAMETER = re.compile(rf"([?&;](?:{_TELLING}|key|sig|pwd|pass)=)[^\s&\"'<>]+", re.I)
_HEADER = re.compile(
    r"(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer|token)\s+)[^\s'\"]+", re.I
)
_NAME = re.compile(rf"{_TELLING}|.*_(?:key|key_id|pass|pwd|auth)", re.I)
_OF_FILES = ("MLOPS_SERVE_TLS__KEY",)  # a setting of the server: a file that may be missing


def redact(text: str) -> str:
    """The text with `***` in the place of each secret in it."""
    for secret in _of_environment():
        text = text.replace(secret, HIDDEN)
    text = _LOGIN.sub(rf"\1{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    return _HEADER.sub(rf"\1{HIDDEN}", text)


def redact_all(value: Any) -> Any:
    """The same for every text of a value as JSON has it; keys stay."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_all(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(inner) for inner in value]
    return value


def _of_environment() -> list[str]:
    """The secrets of the environment, longest first: one may be a part of another."""
    found = {s for name, value in os.environ.items() for s in _secrets(name, value)}
    return sorted((s for s in found if len(s) >= _SHORTEST), key=len, reverse=True)


def _secrets(name: str, value: str) -> Iterator[str]:
    for match in _LOGIN.finditer(value):
        password = match[2].partition(":")[2] or match[2]
        yield from (password, unquote(password))
    if _NAME.fullmatch(name) and name not in _OF_FILES and not _is_path(value):
        yield value
        yield from value.splitlines()  # a private key: each line of it


def _is_path(value: str) -> bool:
    """Many a variable names the file of a secret, which is none itself."""
    if not value.startswith(("/", "~", ".")):
        return False
    try:
        return Path(value).expanduser().exists()
    except (OSError, RuntimeError, ValueError):  # too long a name, no home, a null
        return False
