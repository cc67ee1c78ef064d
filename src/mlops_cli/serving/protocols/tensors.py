"""Tensors of the Open Inference Protocol: their types, and their elements as values of events."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_cli.serving.requests import RequestError, Scalar

NUMBERS: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    **{f"INT{8 * n}": np.dtype(f"<i{n}") for n in (1, 2, 4, 8)},
    **{f"UINT{8 * n}": np.dtype(f"<u{n}") for n in (1, 2, 4, 8)},
    **{f"FP{8 * n}": np.dtype(f"<f{n}") for n in (2, 4, 8)},
}
BYTES = "BYTES"
NULL = "null"  # the parameter that names the rows which are null
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Shaped:
    """A tensor without its elements, as a request describes it."""

    name: str
    datatype: str
    shape: Sequence[int]
    parameters: Mapping[str, Any]

    def rows(self) -> int:
        """The number of rows, one element each; raises `RequestError` for any other form."""
        if self.datatype != BYTES and self.datatype not in NUMBERS:
            raise self.refused(f"the datatype {self.datatype[:20]!r} is not known")
        rows = self.shape[0] if self.shape else -1
        if rows < 0 or any(size != 1 for size in self.shape[1:]):
            raise self.refused("its shape must be [n] or [n, 1]: one element a row")
        return rows

    def refused(self, why: str, row: int | None = None) -> RequestError:
        """An error that names this tensor."""
        return RequestError(400, f"{self.name[:80]}: {why}", field=self.name, row=row)


@dataclass(frozen=True, slots=True)
class Column:
    """An input by row: values as an event has them, None where one is missing."""

    name: str
    values: Sequence[Scalar]


def from_elements(tensor: Shaped, data: object) -> Column:
    """The column of elements that were sent one by one: in JSON, or as a repeated field.

    `data` is a list, flat or nested as the shape is; null is missing, and so is a number that is
    not finite. Raises `RequestError` (400) naming tensor and row.
    """
    rows = tensor.rows()
    elements = _flat(tensor, data)
    if len(elements) != rows:
        raise tensor.refused(f"its shape says {rows} elements, and {len(elements)} came")
    known = _known(tensor.datatype)
    for row, value in enumerate(elements):
        if value is not None and type(value) not in known:
            raise tensor.refused(f"an element is no {tensor.datatype}", row)
    values = [_text(tensor, v, i) if type(v) is bytes else v for i, v in enumerate(elements)]
    return _column(tensor, values)


def from_bytes(tensor: Shaped, content: bytes) -> Column:
    """The column of a tensor in the binary form: little-endian, texts each behind its length.

    Raises `RequestError` (400) where there are not as many bytes as the shape says.
    """
    rows = tensor.rows()
    if tensor.datatype == BYTES:
        return _column(tensor, _texts(tensor, content, rows))
    dtype = NUMBERS[tensor.datatype]
    if len(content) != rows * dtype.itemsize:
        said = f"{rows * dtype.itemsize} bytes, and {len(content)} came"
        raise tensor.refused(f"its shape says {said}")
    if tensor.datatype == "BOOL":
        return _column(tensor, [byte != 0 for byte in content])
    return _column(tensor, np.frombuffer(content, dtype).tolist())


def to_bytes(datatype: str, values: Iterable[Any]) -> bytes:
    """An answer's elements in the binary form."""
    if datatype != BYTES:
        return np.asarray(values, NUMBERS[datatype]).tobytes()
    texts = (str(value).encode() for value in values)
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def _flat(tensor: Shaped, data: object) -> list[Any]:
    elements = data
    for _ in tensor.shape[1:]:
        if type(elements) is list and elements and type(elements[0]) is list:
            if any(type(part) is not list for part in elements):
                break
            elements = [element for part in elements for element in part]
    if type(elements) is not list:
        raise tensor.refused("it has no data: a list, or binary_data_size bytes behind the JSON")
    return elements


def _known(datatype: str) -> tuple[type, ...]:
    """The Python types that an element may have."""
    if datatype == BYTES:
        return (str, bytes)
    if datatype == "BOOL":
        return (bool,)
    return (int, float) if datatype.startswith("FP") else (int,)


def _texts(tensor: Shaped, content: bytes, rows: int) -> list[Any]:
    found: list[Any] = []
    at = 0
    while at < len(content) and len(found) < rows:
        end = at + _LENGTH.size
        if end <= len(content):
            end += _LENGTH.unpack_from(content, at)[0]
        if end > len(content) or end < at + _LENGTH.size:
            raise tensor.refused("its bytes end within an element", len(found))
        found.append(_text(tensor, content[at + _LENGTH.size : end], len(found)))
        at = end
    if len(found) != rows or at != len(content):
        raise tensor.refused(f"its shape says {rows} elements, and its bytes hold another number")
    return found


def _text(tensor: Shaped, element: bytes, row: int) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError as e:
        raise tensor.refused("an element is not UTF-8", row) from e


def _column(tensor: Shaped, values: list[Any]) -> Column:
    """Without what is missing: numbers that are not finite, and the rows that are named so."""
    if tensor.datatype.startswith("FP"):
        values = [None if type(v) is float and not math.isfinite(v) else v for v in values]
    for row in _null_rows(tensor, len(values)):
        values[row] = None
    return Column(tensor.name, values)


def _null_rows(tensor: Shaped, rows: int) -> list[int]:
    """The rows that the parameter `null` names: a list, or its JSON, since gRPC has no lists."""
    named = tensor.parameters.get(NULL)
    if named is None:
        return []
    try:
        found = json.loads(named) if type(named) is str else named
    except (ValueError, RecursionError):
        found = None
    if type(found) is not list or any(type(r) is not int or not 0 <= r < rows for r in found):
        raise tensor.refused(f'its parameter "{NULL}" must be a list of rows, from 0 to {rows - 1}')
    return found
