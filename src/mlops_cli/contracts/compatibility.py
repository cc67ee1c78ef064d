"""Whether one version of a contract can read what another one allowed, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlops_cli.contracts.model import ColumnContract, Compatibility, Contract, parse_moment
from mlops_cli.contracts.table_rules import Outliers, RowCounts

_WIDENED = {("integer", "float")}  # what was written as the first can be read as the second
Direction = Literal["BACKWARD", "FORWARD"]


@dataclass(frozen=True, slots=True)
class Break:
    """What a reader refuses of what a writer may have written; `column` is None for the table.

    `direction` is whose reader it is: BACKWARD the new version's, of data of version `version`,
    FORWARD that of version `version`, of new data. `rule` is the key of the contract.
    """

    column: str | None
    rule: str
    why: str
    direction: Direction
    version: int


def incompatible(new: Contract, published: Mapping[int, Contract]) -> list[Break]:
    """What the compatibility of `new` forbids of it; `published` are contracts by version.

    The modes are those of Confluent's schema registry: against the last version, or, transitive,
    against each; a column that may be missing counts as one with the default null.
    """
    mode = new.compatibility
    if mode == "NONE" or not published:
        return []
    against = sorted(published) if mode.endswith("_TRANSITIVE") else [max(published)]
    return [
        Break(column, rule, why, direction, version)
        for version in against
        for direction in _directions(mode)
        for column, rule, why in _refused(*_reader_and_writer(new, published[version], direction))
    ]


def _directions(mode: Compatibility) -> tuple[Direction, ...]:
    if mode.startswith("FULL"):
        return "BACKWARD", "FORWARD"
    return ("BACKWARD",) if mode.startswith("BACKWARD") else ("FORWARD",)


def _reader_and_writer(
    new: Contract, old: Contract, direction: Direction
) -> tuple[Contract, Contract]:
    return (new, old) if direction == "BACKWARD" else (old, new)


def _refused(reader: Contract, writer: Contract) -> Iterator[tuple[str | None, str, str]]:
    """Column, rule and reason of all that `reader` refuses of what `writer` allows."""
    for name, column in reader.columns.items():
        if (written := writer.columns.get(name)) is not None:
            for rule, why in _refused_of(column, written):
                yield name, rule, why
        elif not column.nullable:
            yield name, "columns", "the column is read, is not written, and may not be missing"
    yield from _refused_of_table(reader, writer)
    yield from _refused_of_whole(reader, writer)


def _refused_of(reader: ColumnContract, writer: ColumnContract) -> Iterator[tuple[str, str]]:
    kinds = writer.type, reader.type
    if writer.type != reader.type and kinds not in _WIDENED:
        yield "type", f"{writer.type} is written, {reader.type} is read"
        return
    if writer.nullable and not reader.nullable:
        yield "nullable", "missing values are written, and not read"
    yield from _refused_values(reader, writer)
    if reader.unique and not writer.unique:
        yield "unique", "values may be written twice, and are read once"
    if lost := [word for word in writer.missing if word not in reader.missing]:
        yield "missing", f"{lost[0]!r} is written for a missing value, and read as a value"
    if writer.format not in (None, reader.format):
        yield "format", f"{writer.format} is written, {reader.format or 'ISO 8601'} is read"


def _refused_values(reader: ColumnContract, writer: ColumnContract) -> Iterator[tuple[str, str]]:
    if _narrower(reader.min, writer.min, below=True):
        yield "min", f"from {_told(writer.min)} is written, from {reader.min} is read"
    if _narrower(reader.max, writer.max, below=False):
        yield "max", f"up to {_told(writer.max)} is written, up to {reader.max} is read"
    if reader.categories is not None:
        if writer.categories is None:
            yield "categories", "any value is written, listed ones are read"
        elif more := [c for c in writer.categories if c not in reader.categories]:
            yield "categories", f"{more[0]!r} is written, and not read"
    if (fence := reader.outliers) is not None and not _kept(fence, writer.outliers):
        yield "outliers", "values farther outside are written than are read"
    if reader.pattern not in (None, writer.pattern):
        yield "pattern", f"{writer.pattern or 'any text'} is written, {reader.pattern} is read"


def _refused_of_table(reader: Contract, writer: Contract) -> Iterator[tuple[str | None, str, str]]:
    if reader.extra_columns == "refuse":
        if more := [name for name in writer.columns if name not in reader.columns]:
            yield more[0], "extra_columns", "the column is written, and further ones are refused"
        elif writer.extra_columns == "allow":
            yield None, "extra_columns", "any column may be written, further ones are refused"
    for key in reader.unique:
        if key not in writer.unique:
            yield None, "unique", f"{', '.join(key)} may be written twice, and are read once"
    written = {rule.expr for rule in writer.rules}
    for rule in reader.rules:
        if rule.expr not in written:
            yield None, "rules", f"{rule.name} is asked of what is read, not of what is written"
    if (fresh := reader.freshness) is not None:
        old = writer.freshness
        if old is None or old.column != fresh.column or old.max_age > fresh.max_age:
            yield fresh.column, "freshness", "older values are written than are read"


def _refused_of_whole(reader: Contract, writer: Contract) -> Iterator[tuple[str | None, str, str]]:
    """Of the rules that take the whole table; one counts as the same where all of it is."""
    for key in reader.foreign_keys:
        if key not in writer.foreign_keys:
            columns = ", ".join(key.columns)
            yield None, "foreign_keys", f"{columns} may be written without a row of {key.table}"
    for counted in reader.row_counts:
        if not any(_counted_within(counted, other) for other in writer.row_counts):
            yield counted.column, "row_counts", "other numbers of rows are written than are read"
    written = {query.sql for query in writer.queries}
    for query in reader.queries:
        if query.sql not in written:
            yield None, "queries", f"{query.name} is asked of what is read, not of what is written"
    if (asked := reader.distribution) is not None:
        old = writer.distribution
        lost = [n for n in asked.columns if old is None or n not in old.columns]
        if lost or (old is not None and old.max_moved > asked.max_moved):
            yield (*lost, None)[0], "distribution", "values may move farther than is read"


def _kept(reader: Outliers, writer: Outliers | None) -> bool:
    """Whether what the writer's fence lets through lies within the reader's."""
    if writer is None or writer.by != reader.by:
        return False
    return writer.fence <= reader.fence and writer.max_share <= reader.max_share


def _counted_within(reader: RowCounts, writer: RowCounts) -> bool:
    if (reader.column, reader.window) != (writer.column, writer.window):
        return False
    ends = ((reader.min, writer.min, True), (reader.max, writer.max, False))
    return not any(_narrower(read, written, below=below) for read, written, below in ends)


def _narrower(reader: object, writer: object, *, below: bool) -> bool:
    """Whether the reader's bound lies within the writer's."""
    if reader is None:
        return False
    if writer is None:
        return True
    read, written = _ordered(reader), _ordered(writer)
    return bool(read > written if below else read < written)


def _ordered(bound: Any) -> Any:
    return parse_moment(bound) if isinstance(bound, str) else bound


def _told(bound: object) -> str:
    return "any value" if bound is None else str(bound)
