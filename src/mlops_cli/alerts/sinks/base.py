"""The contract of a sink, and how secrets come into what it sends."""

from __future__ import annotations

import os
import re
from typing import Protocol

from mlops_cli.alerts.base import Message
from mlops_cli.redaction import HIDDEN, redact

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_LONGEST = 200  # characters that are told of what somebody else's server says


class SinkFault(Exception):
    """A sink did not take a message, and why, without secrets.

    `refused`: it is about this message alone, so the next one is worth a try.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(redact(message)[:_LONGEST])
        self.refused = refused


class Sink(Protocol):
    """Takes a message once; returns when it was taken, and raises `SinkFault` where it was not.

    `number` is equal for each attempt at one change, so that a service can tell a repetition. It
    may hang: the caller gives up after a while.
    """

    incidents: bool
    """Whether a firing message opens something there that a resolved one has to close."""

    def send(self, message: Message, number: str) -> None:
        """Send it."""


def filled(text: str) -> str:
    """The text with each `${VAR}` filled in; raises `SinkFault` for one that is not set."""
    if missing := [name for name in _VARIABLE.findall(text) if not os.environ.get(name)]:
        raise SinkFault(f"the environment variable {missing[0]} is not set")
    return _VARIABLE.sub(lambda match: os.environ[match[1]], text)


def without(said: str, *secrets: str) -> str:
    """What somebody said, with these secrets and all that redaction knows taken out of it."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        said = said.replace(secret, HIDDEN)
    return redact(" ".join(said.split()))
