"""JSON objects, one a line, as Arrow; what is none is told apart."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pyarrow.json as pj

from mlops_cli.errors import DataError

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LOOKED_AT = 10_000  # objects by which a key that nobody knows is told to hold texts
_QUOTE = ord('"')
_BLOCK = 1 << 20


def fault_of(line: bytes) -> str | None:
    """Why a line is no JSON object; None where it is one."""
    try:
        _OBJECT.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        return str(e)[:200]
    return None


def table_of(lines: Sequence[bytes], schema: pa.Schema | None, where: str) -> pa.Table:
    """The objects of `lines` as a table, in their order; texts stay texts, dates and all.

    Columns of `schema` keep their types, and a whole number there may become a float. Raises
    `DataError` where one key has values of several types, or of another than in `schema`.
    """
    known = {f.name: f.type for f in schema or () if not pa.types.is_null(f.type)}
    texts = dict.fromkeys(_keys_of_texts(lines, known), pa.string())
    try:
        return _read(lines, texts | known)
    except pa.ArrowInvalid:
        floats = {n: pa.float64() if pa.types.is_integer(t) else t for n, t in known.items()}
    try:
        return _read(lines, texts | floats)
    except pa.ArrowInvalid as e:
        said = " ".join(str(e).split())[:200]
        raise DataError(f"{where} do not fit one table: {said}", hint="a key has one type") from e


def _read(lines: Sequence[bytes], types: dict[str, pa.DataType]) -> pa.Table:
    parsing = pj.ParseOptions(explicit_schema=pa.schema(list(types.items())) if types else None)
    longest = max(map(len, lines), default=0)
    content = pa.BufferReader(b"\n".join(line.replace(b"\n", b" ") for line in lines))
    reading = pj.ReadOptions(block_size=max(_BLOCK, 2 * longest))
    return pj.read_json(content, parse_options=parsing, read_options=reading)


def _keys_of_texts(lines: Sequence[bytes], known: dict[str, pa.DataType]) -> set[str]:
    """Keys that hold texts: Arrow would make moments of some."""
    found: set[str] = set()
    for line in lines[:_LOOKED_AT]:
        for key, value in _OBJECT.decode(line).items():
            if key not in known and key not in found and memoryview(value)[0] == _QUOTE:
                found.add(key)
    return found
