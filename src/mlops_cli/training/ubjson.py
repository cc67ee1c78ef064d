"""Write UBJSON as XGBoost reads and writes it: what `serving.ubjson` reads, to the byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

_KINDS = {"f4": b"d", "f8": b"D", "i1": b"i", "u1": b"U", "i2": b"I", "i4": b"l", "i8": b"L"}
_FORMS = {b"i": ">b", b"I": ">h", b"l": ">i", b"L": ">q"}  # the narrowest first
_WHOLE = {kind: struct.Struct(form) for kind, form in _FORMS.items()}


def write_ubjson(value: Any) -> bytes:
    """`value` of objects, lists, texts, truths, whole numbers, floats and NumPy's typed arrays.

    A whole number takes as many bits as it needs, a length 64 and a number 32, as XGBoost's do.
    """
    return b"".join(_parts(value))


def _parts(value: Any) -> Iterator[bytes]:
    match value:
        case dict():
            yield b"{"
            for key, item in value.items():
                yield _text(key)
                yield from _parts(item)
            yield b"}"
        case np.ndarray():
            kind = value.dtype.str[1:]
            yield b"[$" + _KINDS[kind] + b"#" + _length(len(value))
            yield value.astype(f">{kind}").tobytes()
        case list():
            yield b"[#" + _length(len(value))
            for item in value:
                yield from _parts(item)
        case str():
            yield b"S" + _text(value)
        case bool():
            yield b"T" if value else b"F"
        case int():
            yield _whole(value)
        case float():
            yield b"d" + struct.pack(">f", value)
        case _:
            raise TypeError(f"UBJSON of a model has no {type(value).__name__}")


def _whole(value: int) -> bytes:
    kind = next(k for k, form in _WHOLE.items() if abs(value) <= 2 ** (8 * form.size - 1) - 1)
    return kind + _WHOLE[kind].pack(value)


def _text(text: str) -> bytes:
    content = text.encode()
    return _length(len(content)) + content


def _length(n: int) -> bytes:
    return b"L" + struct.pack(">q", n)
