"""`${VAR}` of a source, filled in when it is opened: it stands in no file."""

from __future__ import annotations

import os
import re

from mlops_cli.errors import UsageError

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def filled(text: str, key: str) -> str:
    """The text with each `${VAR}` of the environment; raises `UsageError` naming the key."""
    for name in _VARIABLE.findall(text):
        if name not in os.environ:
            raise UsageError(
                f"mlops.yaml: {key} needs the environment variable {name}",
                hint=f"export {name}=...",
            )
    return _VARIABLE.sub(lambda m: os.environ[m[1]], text)
