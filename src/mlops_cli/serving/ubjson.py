"""Read UBJSON as XGBoost writes it: objects, texts, numbers, arrays; typed arrays by NumPy.

https://ubjson.org, draft 12, without high-precision numbers.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

DEEPEST = 50
_FORMS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_NUMBERS = {kind: struct.Struct(form) for kind, form in _FORMS.items()}
_TYPES = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_DTYPES = {kind: np.dtype(name) for kind, name in _TYPES.items()}
_INTEGERS = (b"i", b"U", b"I", b"l", b"L")
_CONSTANTS = {b"T": True, b"F": False, b"Z": None}


def read_ubjson(content: bytes) -> Any:
    """The value that `content` is, whole; typed arrays are NumPy's.

    Raises `ValueError` for what is no UBJSON, ends too early, says a length that it has not, or
    has a key twice in one object, of which each reader takes another.
    """
    reader = _Reader(content)
    try:
        found = reader.value(reader.take(1), 0)
    except (struct.error, KeyError, UnicodeDecodeError) as e:
        raise ValueError(f"no UBJSON at byte {reader.at}") from e
    if reader.at != len(content):
        raise ValueError(f"something follows at byte {reader.at}")
    return found


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def take(self, n: int) -> bytes:
        end = self.at + n
        if n < 0 or end > len(self.content):
            raise ValueError(f"{n} bytes are said to follow byte {self.at}, and do not")
        found = self.content[self.at : end]
        self.at = end
        return found

    def peek(self) -> bytes:
        return self.content[self.at : self.at + 1]

    def value(self, kind: bytes, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST}")
        if kind == b"{":
            return self._object(depth)
        if kind == b"[":
            return self._array(depth)
        if kind == b"S":
            return self._text()
        if kind == b"C":
            return self.take(1).decode("ascii")
        return _CONSTANTS[kind] if kind in _CONSTANTS else self._number(kind)

    def _number(self, kind: bytes) -> Any:
        form = _NUMBERS[kind]
        return form.unpack(self.take(form.size))[0]

    def _length(self) -> int:
        kind = self.take(1)
        if kind not in _INTEGERS:
            raise ValueError(f"a length is not an integer at byte {self.at - 1}")
        return int(self._number(kind))

    def _text(self) -> str:
        return self.take(self._length()).decode()

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek() != b"}":
            key = self._text()
            if key in found:
                raise ValueError(f"the key {key[:80]!a} stands twice in an object")
            found[key] = self.value(self.take(1), depth + 1)
        self.take(1)
        return found

    def _array(self, depth: int) -> Any:
        kind = self.take(2)[1:] if self.peek() == b"$" else None
        if self.peek() == b"#":
            self.take(1)
            return self._counted(kind, self._length(), depth)
        if kind is not None:
            raise ValueError("a typed array has no length")
        found = []
        while self.peek() != b"]":
            found.append(self.value(self.take(1), depth + 1))
        self.take(1)
        return found

    def _counted(self, kind: bytes | None, n: int, depth: int) -> Any:
        if kind is None:
            if not 0 <= n <= len(self.content):
                raise ValueError(f"{n} values are said to follow byte {self.at}, and do not")
            return [self.value(self.take(1), depth + 1) for _ in range(n)]
        dtype = _DTYPES[kind]
        return np.frombuffer(self.take(n * dtype.itemsize), dtype)
