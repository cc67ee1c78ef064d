"""The port of a source: what a table's rows come from, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

Mark = Mapping[str, Any]
"""How far a source was read, as JSON; what it holds is the source's own matter."""

PART_ROWS = 1_000_000  # rows of a part, about


@dataclass(frozen=True, slots=True)
class Landed:
    """A part that stands in the folder: its number, its rows, how far it goes.

    `columns` are the types that the source gave it, as text; of columns that others have and it
    has not there is none. None: written by a release that did not keep them.
    """

    number: int
    rows: int
    mark: Mark
    columns: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """From where and up to where rows are asked for, as text; None: all that is new."""

    since: str | None = None
    until: str | None = None


@dataclass(slots=True)
class Part:
    """Rows that are to land together, as the source gives them.

    `number` is the part that they replace, None behind all others. `mark` may change until
    `batches` is at its end. A part without a row lands only to keep its mark (`keeps_mark`).
    """

    batches: Iterator[pa.RecordBatch]
    mark: dict[str, Any]
    number: int | None = None
    keeps_mark: bool = False


@dataclass(slots=True)
class Report:
    """What an ingest has to tell beside its rows: sentences, and records that were set aside.

    `late` rows lie at or below the watermark and were not brought, `deleted` ones are gone from
    the source, or their keys are.
    """

    remarks: list[str] = field(default_factory=list)
    rejected: list[Mapping[str, Any]] = field(default_factory=list)
    late: int = 0
    deleted: int = 0


class Source(Protocol):
    """Where rows come from."""

    def obsolete(self, landed: Sequence[Landed], span: Span) -> list[int]:
        """The parts that are to go before anything is read, such as those from `span.since` on.

        Raises `UsageError` for a span that the source cannot be asked for.
        """

    def parts(
        self, landed: Sequence[Landed], schema: pa.Schema | None, span: Span, report: Report
    ) -> Iterator[Part]:
        """What is new behind `landed`; `schema` is theirs, None where there are none.

        Each part is read to its end before the next. Raises `EnvironmentFault` where the source
        does not answer or goes away, `DataError` for what cannot be read.
        """

    def close(self) -> None:
        """Leave the source; its parts are read no further."""
