"""Which columns of an event the prediction log keeps, and which of them as digests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

import msgspec

from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.contract import HMAC, SHA256
from mlops_cli.serving.requests import Event, Scalar
from mlops_cli.serving.settings import ALL, Log

_encode = msgspec.json.Encoder().encode
_LF, _CR = b"\n\r"
_LONGEST = 4096  # bytes of a body that is logged as it came: what is between its values is no data
_NO_IDS = b"{}"
_KEYS = 1024  # API keys whose names are kept as JSON


class Counted(NamedTuple):
    """Where a rollout, named by its salt, counts an event: for which arm, at which step."""

    rollout: str
    step: int
    arm: str


class Scheme:
    """What of one version's events is kept, and in which form, while it is a `variant`.

    `counted` is where a rollout counts them; what it does not count bears no such fields.
    """

    def __init__(
        self,
        bundle: Bundle,
        settings: Log,
        *,
        variant: str,
        secret: bytes | None,
        counted: Counted | None = None,
    ) -> None:
        manifest = bundle.manifest
        self._said: dict[str, Any]
        self._said = {"model": manifest.project, "version": bundle.version, "variant": variant}
        self._said |= counted._asdict() if counted else {}
        self._with_key: dict[str | None, bytes] = {}
        self._digest = _digest(secret)
        names = [i.name for i in manifest.inputs]
        asked = names if settings.columns == ALL else list(settings.columns)
        named = {*settings.hash, *(() if settings.columns == ALL else settings.columns)}
        out = {*settings.leave_out, *(n for n in manifest.sensitive if n not in named)}
        self._kept = {name for name in names if name in asked and name not in out}
        self._hashed = [name for name in settings.hash if name in self._kept]
        self._whole = self._kept.issuperset(names) and not self._hashed
        self._ids = [name for name in manifest.id if name not in out]
        self.has_ids = bool(self._ids)
        self._hashed_ids = [name for name in settings.hash if name in self._ids]
        self._read_others = scalars_reader([name for name in self._ids if name not in names])

    def names(self, key: str | None) -> bytes:
        """What stands in a line between ids and inputs: model, version, variant and API key."""
        made = self._with_key.get(key)
        if made is None:
            if len(self._with_key) >= _KEYS:
                self._with_key.clear()
            named = _encode({**self._said, "key": key})
            made = self._with_key[key] = b',%b,"inputs":' % named[1:-1]
        return made

    def inputs(self, event: Event) -> bytes:
        """The inputs of an event that are kept, as JSON."""
        if self._whole:
            return _encode(event)
        kept = {name: value for name, value in event.items() if name in self._kept}
        return _encode(self._with_digests(kept, self._hashed))

    def parts(
        self, key: str | None, event: Event, body: bytes, *, exact: bool
    ) -> tuple[bytes, bytes, bytes]:
        """Of a line what depends on this: ids, names and inputs.

        `exact`: the body holds inputs alone, and stands in the line as it came, where it fits.
        """
        inputs = body if exact and self.fits(body) else self.inputs(event)
        ids = self.ids(event, body) if self.has_ids else _NO_IDS
        return ids, self._with_key.get(key) or self.names(key), inputs

    def fits(self, body: bytes) -> bool:
        """Whether a body that holds inputs alone can stand for `inputs` as it came."""
        return self._whole and len(body) <= _LONGEST and _LF not in body and _CR not in body

    def fit(self, bodies: Sequence[bytes]) -> bool:
        """Whether bodies that hold inputs alone can stand for `inputs` as they came."""
        if not self._whole or max(map(len, bodies)) > _LONGEST:
            return False
        together = b"".join(bodies)
        return _LF not in together and _CR not in together

    def ids(self, event: Event, body: bytes) -> bytes:
        """The columns of `data.id` of an event, as JSON: its inputs, and what else is in it."""
        if not self._ids:
            return _NO_IDS
        found = {name: event[name] for name in self._ids if name in event}
        return _encode(self._with_digests(found | self._read_others(body), self._hashed_ids))

    def _with_digests(self, values: dict[str, Any], hashed: Sequence[str]) -> dict[str, Any]:
        for name in hashed:
            if values.get(name) is not None:
                values[name] = self._digest(_encode(values[name]))
        return values


Asked = tuple[Scheme, float, bytes, "str | None", Event, bytes, bool]
"""A request of one event: seconds since 1970, its id, the API key's name, the event, the body, and
whether that holds inputs alone."""


def moment(since_1970: float) -> bytes:
    """Seconds since 1970 as a line tells them, in UTC."""
    whole = int(since_1970)
    return b"%b.%06dZ" % (second(whole), (since_1970 - whole) * 1e6)


@lru_cache(maxsize=8)
def second(since_1970: int) -> bytes:
    """The same up to the second, without what follows it."""
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def _digest(secret: bytes | None) -> Callable[[bytes], str]:
    if secret:
        return lambda value: f"{HMAC}{hmac.new(secret, value, 'sha256').hexdigest()}"
    return lambda value: f"{SHA256}{hashlib.sha256(value).hexdigest()}"


def scalars_reader(names: Sequence[str]) -> Callable[[bytes], dict[str, Any]]:
    """A function that finds the scalars of these names in the JSON of an event."""
    if not names:
        return lambda _: {}
    kind = TypedDict("Ids", dict.fromkeys(names, msgspec.Raw), total=False)  # type: ignore[misc]  # names are data here
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
    scalar = msgspec.json.Decoder(Scalar).decode

    def read(body: bytes) -> dict[str, Any]:
        raws = ((name, bytes(raw)) for name, raw in decode(body).items())
        return {name: scalar(raw) for name, raw in raws if raw[:1] not in (b"[", b"{")}

    return read
