"""Append Arrow tables to a CSV file (RFC 4180), with quotes only where a text needs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_END = "\n"


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


class CsvWriter:
    """A CSV file of one header; Arrow's own writer quotes every text.

    A null and an empty text are both an empty field, as readers take them. Columns must be of
    plain types, at least two of them: a line that is blank would be no row.
    """

    def __init__(self, path: Path, names: list[str], delimiter: str) -> None:
        self._delimiter = delimiter
        self._needs_quotes = f'["\\r\\n{delimiter}]'
        self._file = path.open("wb")
        header = self._quoted(pa.array(names, pa.large_string()))
        self._file.write(f"{delimiter.join(header.to_pylist())}{_END}".encode())

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        if not table.num_rows:
            return
        cells = [self._cells(column) for column in table.columns]
        lines = pc.binary_join_element_wise(*cells, _scalar(self._delimiter))
        ended = pc.binary_join_element_wise(lines, _scalar(""), _scalar(_END))
        for chunk in ended.chunks if isinstance(ended, pa.ChunkedArray) else [ended]:
            self._file.write(_text_of(chunk))

    def close(self) -> None:
        """Write what is still in memory, and close the file."""
        self._file.close()

    def _cells(self, column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        text = column.cast(kind).cast(pa.large_string())
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        return (self._quoted(text) if is_text else text).fill_null("")

    def _quoted(self, text: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
        special = pc.match_substring_regex(text, self._needs_quotes)
        if not pc.any(special).as_py():
            return text
        doubled = pc.replace_substring(text, '"', '""')
        mark = _scalar('"')
        return pc.if_else(
            special, pc.binary_join_element_wise(mark, doubled, mark, _scalar("")), text
        )


def _text_of(lines: pa.Array) -> pa.Buffer:
    """The lines of a large_string array, one after the other, as they stand in its memory."""
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, np.int64)[lines.offset : lines.offset + len(lines) + 1]
    return data.slice(int(ends[0]), int(ends[-1] - ends[0]))
