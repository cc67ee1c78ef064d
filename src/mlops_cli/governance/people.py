"""What a person is called, whichever of their names git, GitHub or a rule has."""

from __future__ import annotations

import re

_AT_GITHUB = re.compile(r"(?:\d+\+)?([^@+\s]+)@users\.noreply\.github\.com")
_LOGIN = re.compile(r"github:[\w-]+")


def person(name: str) -> str:
    """The one name of a person, in lower case: an address, or `github:LOGIN`.

    The address that GitHub gives (`ID+LOGIN@users.noreply.github.com`, of old without the ID) is
    that login.
    """
    found = _AT_GITHUB.fullmatch(name.lower())
    return f"github:{found[1]}" if found else name.lower()


def is_login(name: str) -> bool:
    """Whether the name is `github:LOGIN`."""
    return _LOGIN.fullmatch(name) is not None
