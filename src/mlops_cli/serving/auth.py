"""API keys and the control secret: who may ask what, read anew whenever their file changes."""

from __future__ import annotations

import hmac
import logging
import math
import secrets
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

import msgspec

from mlops_cli._files import stamp_of
from mlops_cli.serving.requests import RequestError

log = logging.getLogger(__name__)

KeyScope = Literal["predict", "explain", "feedback", "admin", "metrics"]
SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
CHALLENGE = ((b"www-authenticate", b"Bearer"),)


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key, as its file has it: of the key itself the sha256 alone, in 64 hex digits."""

    name: str
    sha256: str
    scopes: tuple[KeyScope, ...]
    created: datetime
    expires: datetime | None = None

    def over(self, now: float) -> bool:
        """Whether it has expired at `now`, in seconds since 1970."""
        return self.expires is not None and now >= self.expires.timestamp()


_line = msgspec.json.Decoder(Key).decode


def parse_keys(content: bytes) -> list[Key]:
    """The keys of a file: one JSON object a line. Raises `ValueError` naming the line."""
    found: list[Key] = []
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                found.append(_line(line))
            except ValueError as e:  # msgspec's are; the line itself is never shown
                raise ValueError(f"line {number} is not a key: {str(e)[:200]}") from e
    return found


def format_keys(keys: Iterable[Key]) -> bytes:
    """The content of a file with these keys."""
    return b"".join(msgspec.json.encode(key) + b"\n" for key in keys)


def digest_of_key(key: bytes) -> str:
    """What a file holds of a key. A slow hash protects weak passwords; 256 random bits are none."""
    return sha256(key).hexdigest()


class _Watched:
    """A file of secrets. While there is none, nobody is let in by it.

    One that cannot be read leaves in force what was read last, and the log says so.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int, int] | None = (-1, -1, -1)
        self._gone = False
        self.look()

    def look(self) -> None:
        """Read the file if it is another one than before; for once a second.

        What is looked at is the folder's entry: a file that was replaced, or that a link leads
        to now, is another one.
        """
        stamp = stamp_of(self._file)
        if stamp == self._stamp:
            return
        if stamp is None and not self._gone:  # it may be on its way to be another one
            self._gone = True
            return
        self._stamp, self._gone = stamp, False
        try:
            self._take(self._file.read_bytes() if stamp is not None else b"")
        except (OSError, ValueError) as e:
            log.error("%s: %s; what was read before stays in force", self._file, e)

    def _take(self, content: bytes) -> None:
        raise NotImplementedError


class ControlSecret(_Watched):
    """The secret by which whoever deployed a server has it load versions and move traffic."""

    _digest = ""

    def _take(self, content: bytes) -> None:
        secret = content.strip()
        self._digest = digest_of_key(secret) if secret else ""

    def given(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request has it, as a key is sent."""
        token = _token(headers)
        return token is not None and hmac.compare_digest(digest_of_key(token), self._digest)


def new_control_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


class Keys(_Watched):
    """The keys in a file; `readings` counts how often others were read."""

    _by_digest: Mapping[str, Key] = {}
    readings = 0

    def _take(self, content: bytes) -> None:
        keys = parse_keys(content)
        self._by_digest = {key.sha256: key for key in keys}
        self.readings += 1
        log.warning("%d keys in %s", len(keys), self._file)

    def until(self, name: str) -> float:
        """When the first key of that name expires, in seconds since 1970."""
        ends = (key.expires for key in self._by_digest.values() if key.name == name)
        return min((end.timestamp() for end in ends if end is not None), default=math.inf)

    def check(self, headers: Iterable[tuple[bytes, bytes]], scope: KeyScope) -> str:
        """The name of the key in `Authorization: Bearer KEY`, if it is good for `scope`.

        Raises `RequestError`: 401 for none, an unknown or an expired one, 403 for another scope.
        """
        token = _token(headers)
        if token is None:
            said = "a key is needed: send the header `Authorization: Bearer KEY`"
            raise RequestError(401, said, headers=CHALLENGE)
        digest = digest_of_key(token)
        key = self._by_digest.get(digest)
        if key is None or not hmac.compare_digest(key.sha256, digest):
            raise RequestError(401, "this key is not known, or no longer", headers=CHALLENGE)
        if key.expires is not None and key.over(time.time()):
            raise RequestError(401, f"the key {key.name} has expired", headers=CHALLENGE)
        if scope not in key.scopes:
            raise RequestError(403, f"the key {key.name} is not good for {scope}")
        return key.name


def _token(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """What `Authorization: Bearer` brings; None where there is no such header."""
    given = next((value for name, value in headers if name == b"authorization"), b"")
    kind, _, token = given.partition(b" ")
    return token.strip() if kind.lower() == b"bearer" else None
