"""What a window is held to: a profile, and how far quiet windows lie from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.plan import ID, TIME
from mlops_cli.bundle.profile import Profile, Span
from mlops_cli.config.paths import FEATURES_TABLE
from mlops_cli.monitoring.collected.rows import UNIT
from mlops_cli.monitoring.drift.profile import Units, profile_of
from mlops_cli.monitoring.drift.spans import span_for
from mlops_cli.tables.base import ROW, Engine, literal, quote

ROWS = 200_000  # of the training data that are looked at for a segment's profile
SAMPLED = 20_000  # of the training data that all rows of a window are held to together
LEAST = 100  # rows of a segment at training below which it has no profile


@dataclass(frozen=True, slots=True)
class Reference:
    """A profile, and of what; with a `span` where rows are not independent draws."""

    profile: Profile
    span: Span | None = None
    name: str = "training"


@dataclass(frozen=True, slots=True)
class Training:
    """The rows of `data/features.parquet`, as far as segments need them."""

    engine: Engine
    root: Path
    manifest: Manifest
    profile: Profile

    def segment(self, column: str, value: str, seconds: float) -> Reference | None:
        """The profile of the rows where `column` has this value, None where there are too few.

        `seconds` is the length of a window.
        """
        file = self.root / FEATURES_TABLE
        if not file.is_file():
            return None
        table = self._rows(file, column, value)
        if table is None or table.num_rows < LEAST:
            return None
        found = profile_of(
            table,
            inputs=self.manifest.inputs,
            features=self.manifest.features,
            units=Units(self.profile.subject, _moments(table)),
            sensitive=self.manifest.sensitive,
        )
        span = None if self.manifest.id else span_for(found.spans, seconds)
        names = {c.name for c in self.profile.columns}
        kept = tuple(c for c in found.columns if c.name in names)
        return Reference(msgspec.structs.replace(found, columns=kept), span)

    def sample(self, unit: Sequence[str]) -> pa.Table | None:
        """About 20,000 of all rows: the profile's columns and `__unit__`, the text of `unit`.

        None where the table is not here, or lacks one of them.
        """
        file = self.root / FEATURES_TABLE
        if not file.is_file():
            return None
        source = f"read_parquet({literal(str(file))})"
        here = {row[0] for row in self.engine.rows(f"describe select * from {source}")}
        names, keys = [c.name for c in self.profile.columns], [ID + name for name in unit]
        if not {*names, *keys, ROW} <= here:
            return None
        text = " || chr(31) || ".join(f"cast({quote(key)} as varchar)" for key in keys)
        ((count,),) = self.engine.rows(f"select count(*) from {source}")
        part = min(1_000_000, int(SAMPLED / max(count, 1) * 1_000_000))
        return self.engine.arrow(
            f"select {', '.join(map(quote, names))}, {text or 'null::varchar'} as {UNIT} "
            f"from {source} where hash({ROW}) % 1000000 < {part} order by {ROW}"
        )

    def _rows(self, file: Path, column: str, value: str) -> pa.Table | None:
        source = f"read_parquet({literal(str(file))})"
        here = {row[0] for row in self.engine.rows(f"describe select * from {source}")}
        wanted = [
            *(i.name for i in self.manifest.inputs),
            *(f.name for f in self.manifest.features),
        ]
        wanted += [ID + name for name in self.profile.subject]
        if not {*wanted, ROW} <= here:
            return None
        names = dict.fromkeys([*wanted, ROW, *([TIME] if TIME in here else [])])
        within = f"cast({quote(column)} as varchar) = {literal(value)}"
        ((count,),) = self.engine.rows(f"select count(*) from {source} where {within}")
        part = min(1_000_000, int(ROWS / max(count, 1) * 1_000_000))
        order = f" order by {TIME}" if TIME in names else ""
        return self.engine.arrow(
            f"select {', '.join(map(quote, names))} from {source} where {within} "
            f"and hash({ROW}) % 1000000 < {part}{order}"
        )


def _moments(table: pa.Table) -> np.ndarray | None:
    if TIME not in table.column_names:
        return None
    return np.asarray(pc.cast(table[TIME], pa.timestamp("us")).cast(pa.int64()))


def texts_of(table: pa.Table, column: str, value: str) -> NDArray[np.bool_]:
    """Which rows have this value, written as text, in a column."""
    same = pc.equal(table[column].cast(pa.string()), value)
    return np.asarray(pc.fill_null(same, False))


def frequent(column: pa.ChunkedArray, most: int) -> tuple[list[str], int]:
    """The most frequent texts of a column, at most `most`, and how many others there are."""
    counted = pc.value_counts(column.cast(pa.string()).drop_null())
    pairs = zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)
    ranked: Sequence[tuple[str, int]] = sorted(pairs, key=lambda kv: (-kv[1], kv[0]))
    return [text for text, _ in ranked[:most]], max(0, len(ranked) - most)
