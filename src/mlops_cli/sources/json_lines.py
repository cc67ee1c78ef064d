"""JSON objects, one a line, as Arrow; what is none is told apart."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pyarrow.json as pj

from mlops_cli.errors import DataError

_BLOCK = 1 << 20


class _Object(msgspec.Struct):
    """Any object: what is in it is passed over."""


_OBJECT = msgspec.json.Decoder(_Object)


def fault_of(line: bytes) -> str | None:
    """Why a line is no JSON object; None where it is one."""
    try:
        _OBJECT.decode(line)
        if not line.isascii():  # what is passed over may be of any bytes
            line.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        return str(e)[:200]
    return None


def flat_table(lines: Sequence[bytes], schema: pa.Schema | None) -> pa.Table | None:
    """What `table_of` makes of lines that are all objects without a list or another object.

    None where one is not, or where that is not told in a few passes over all of them: `fault_of`
    looks at each. Where every brace that opens begins a line, and the one that closes ends it, no
    two lines are one object, nor one line two.
    """
    content, between = b"\n".join(lines), len(lines) - 1
    if not content.startswith(b"{") or not content.endswith(b"}") or b"[" in content:
        return None
    if content.count(b"{") != len(lines) or content.count(b"}\n{") != between:
        return None
    if content.count(b"\n") != between:
        return None
    try:
        if not content.isascii():  # Arrow takes any bytes for a text
            content.decode()
        found = _with_texts(lines, _types(schema))
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return None
    return found if found.num_rows == len(lines) else None


def table_of(lines: Sequence[bytes], schema: pa.Schema | None, where: str) -> pa.Table:
    """The objects of `lines` as a table, in their order; texts stay texts, dates and all.

    Columns of `schema` keep their types, and a whole number there may become a float. Raises
    `DataError` where one key has values of several types, or of another than in `schema`.
    """
    known = _types(schema)
    try:
        return _with_texts(lines, known)
    except pa.ArrowInvalid:  # which of them are fractions by now, Arrow finds
        others = {n: t for n, t in known.items() if not pa.types.is_integer(t)}
    try:
        return _with_texts(lines, others)
    except pa.ArrowInvalid as e:
        said = " ".join(str(e).split())[:200]
        raise DataError(f"{where} do not fit one table: {said}", hint="a key has one type") from e


def _types(schema: pa.Schema | None) -> dict[str, pa.DataType]:
    return {f.name: f.type for f in schema or () if not pa.types.is_null(f.type)}


def _with_texts(lines: Sequence[bytes], types: dict[str, pa.DataType]) -> pa.Table:
    """The objects as a table; keys that nobody knows and that Arrow made moments of are texts."""
    table = _read(lines, types)
    texts = {
        field.name: pa.string()
        for field in table.schema
        if field.name not in types and pa.types.is_temporal(field.type)
    }
    return _read(lines, types | texts) if texts else table


def _read(lines: Sequence[bytes], types: dict[str, pa.DataType]) -> pa.Table:
    parsing = pj.ParseOptions(explicit_schema=pa.schema(list(types.items())) if types else None)
    content = b"\n".join(lines)
    if content.count(b"\n") >= len(lines):  # an object over several lines
        content = b"\n".join(line.replace(b"\n", b" ") for line in lines)
    longest = max(map(len, lines), default=0)
    reading = pj.ReadOptions(block_size=max(_BLOCK, 2 * longest))
    return pj.read_json(pa.BufferReader(content), parse_options=parsing, read_options=reading)
