"""What a report on drift shows, whoever draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mlops_cli.monitoring.drift.base import ColumnDrift

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class DriftPage:
    """The content of the page: whose model, which rows, what was found in order, rows to draw.

    `reference` and `current` hold doubles and texts, a column for each verdict, missing as null;
    `reference_rows` and `current_rows` are how many rows the verdicts stand on.
    """

    project: str
    version: str
    source: str
    reference_rows: int
    current_rows: int
    verdicts: tuple[ColumnDrift, ...]
    reference: pa.Table
    current: pa.Table

    def has_values(self, name: str) -> bool:
        """Whether there is something to draw of the column: a value on both sides."""
        return all(t[name].null_count < len(t[name]) for t in (self.reference, self.current))


class Painter(Protocol):
    """Draws columns."""

    def draw(self, page: DriftPage, most: int) -> str:
        """HTML, to stand in the page, with pictures of the first `most` columns that have values.

        The scores in it are ours, not a library's. Raises `EnvironmentFault` where it fails.
        """
