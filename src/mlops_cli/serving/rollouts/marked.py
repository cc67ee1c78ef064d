"""Requests of people who try a candidate, told by a header or by a cookie."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

_Text = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
Headers = Iterable[tuple[bytes, bytes]]


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tester's requests bring: a header of this value, or a cookie."""

    value: _Text
    header: _Text | None = None
    cookie: _Text | None = None

    @property
    def pattern(self) -> str:
        """What the header `Cookie` matches, whole, where it brings the cookie among others."""
        name, value = (str(text).replace(".", "[.]") for text in (self.cookie, self.value))
        return rf"(.*;)?[ ]*{name}={value}[ ]*(;.*)?"


def marked(mark: Mark) -> Callable[[Headers], bool]:
    """Whether headers, their names in lower case, are a tester's.

    Raises `ValueError` where the mark is neither of the two, or both.
    """
    if (mark.header is None) == (mark.cookie is None):
        raise ValueError("testers: it has to name a header, or a cookie")
    value = mark.value.encode()
    if mark.cookie is None:
        wanted = (str(mark.header).lower().encode(), value)
        return lambda headers: wanted in headers
    cookie = mark.cookie.encode() + b"=" + value

    def brings(headers: Headers) -> bool:
        kept = (given for name, given in headers if name == b"cookie")
        return any(part.strip() == cookie for given in kept for part in given.split(b";"))

    return brings
