"""The address of a Redis, whose `${VAR}` are the process' own environment."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

from mlops_cli.errors import UsageError

_VARIABLE = re.compile(r"\$\{(\w+)\}")
HINT = "write it as redis://:${REDIS_PASSWORD}@host:6379/0"


def filled(url: str, setting: str) -> str:
    """The address with its variables filled in; raises `UsageError` naming the `setting`."""
    missing = [name for name in _VARIABLE.findall(url) if name not in os.environ]
    if missing:
        said = f"{setting} needs the environment variable {missing[0]}"
        raise UsageError(said, hint=f"export {missing[0]}=..., and name it in deploy.secrets")
    login, at, place = url.rpartition("@")
    escaped = _VARIABLE.sub(lambda match: quote(os.environ[match[1]], safe=""), login)
    return escaped + at + _VARIABLE.sub(lambda match: os.environ[match[1]], place)
