"""Lists whose events bring every input and nothing else, read as columns: of no event is made a
dictionary, which takes as long as all else together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import msgspec
import numpy as np

Columns = Mapping[str, Sequence[Any]]
"""Values of events by input, in the order of the inputs."""
_values = msgspec.structs.astuple
_COLON, _ESCAPE = ord(":"), b"\\"


class ListReader:
    """Compiled from the inputs and their types, in the order of the inputs."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._names = list(types)
        self._texts = [name for name, kind in types.items() if _may_be_text(kind)]
        fields = [(f"f{i}", kind) for i, kind in enumerate(types.values())]
        names = {field: name for (field, _), name in zip(fields, self._names, strict=True)}
        self._decode: Callable[[bytes], Sequence[msgspec.Struct]] | None = None
        try:
            event = msgspec.defstruct("Event", fields, rename=names, gc=False)
            self._decode = msgspec.json.Decoder(list[event]).decode  # type: ignore[valid-type]  # made here
        except ValueError:
            pass  # a name with quotes is none that a field may have

    def read(self, body: bytes) -> Columns | None:
        """The columns, of one event or more; None: each event has to be looked at.

        A key too few is one that is null, or wrong, and a key too many may be misspelt, or stand
        twice: the colons tell. Raises `msgspec.DecodeError`, and `UnicodeDecodeError`.
        """
        events = self._decode(body) if self._decode is not None and self._names else None
        if not events:
            return None
        columns = dict(zip(self._names, zip(*map(_values, events), strict=True), strict=True))
        found = np.count_nonzero(np.frombuffer(body, np.uint8) == _COLON)
        colons = int(found) - len(events) * len(columns)
        if colons and (_ESCAPE in body or colons != sum(_colons(columns[n]) for n in self._texts)):
            return None
        return columns


def events_of(columns: Columns) -> list[dict[str, Any]]:
    """The events, each as a dictionary."""
    return [dict(zip(columns, event, strict=True)) for event in zip(*columns.values(), strict=True)]


def _colons(column: Sequence[Any]) -> int:
    return sum(text.count(":") for text in column if type(text) is str)


def _may_be_text(kind: Any) -> bool:
    return kind is str or any(map(_may_be_text, get_args(kind)))
