"""What of a scored table the model never met: values that training did not see, or that lack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Feature, Manifest
from mlops_cli.bundle.profile import Bins, Categories, ColumnProfile, OpenBins, Profile
from mlops_cli.contracts.forms import WORDS
from mlops_cli.errors import DataError
from mlops_cli.monitoring.counts.shares import share_p_value

RISE = 0.02  # of a column's rows: less is nothing to stop for
LEVEL = 0.001  # the probability that chance makes such a rise
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class ColumnCensus:
    """One column of a scored table against the rows that the model was fitted on.

    `missing` and `unseen` are rows; unseen is a text that training did not see, or a number
    outside its range (null for an input that is no feature). The shares are of training: of its
    missing rows, and of the unseen ones that as many further rows would have had. `unusual` says
    that one of the two is surely more than that, by 2 % of the rows at least; `example` is an
    unseen text, `why` what may have happened to it.
    """

    name: str
    missing: int
    missing_reference: float
    unseen: int | None
    unseen_reference: float
    unusual: bool
    example: str | None = None
    why: str | None = None


class Census:
    """Counts batch by batch, in memory by the columns; with `strict` an unusual column stops."""

    def __init__(self, manifest: Manifest, profile: Profile, *, strict: bool = False) -> None:
        self._features = {f.name: (j, f) for j, f in enumerate(manifest.features)}
        self._columns = profile.columns
        self._strict = strict
        self.rows = 0
        self._missing = np.zeros(len(profile.columns), dtype=np.int64)
        self._unseen = np.zeros(len(profile.columns), dtype=np.int64)
        self._examples: dict[str, str] = {}

    def add(self, made: pa.Table, matrix: NDArray[np.float32]) -> None:
        """Count a batch: its inputs and features by name, and the features' matrix (n, f)."""
        self.rows += made.num_rows
        for i, column in enumerate(self._columns):
            found = self._features.get(column.name)
            if found is None:
                self._missing[i] += made[column.name].null_count
                continue
            j, feature = found
            values = matrix[:, j]
            missing, unseen = int(np.isnan(values).sum()), 0
            if feature.kind == "category":
                missing, unseen = made[column.name].null_count, missing
                unseen -= missing
                if unseen and column.name not in self._examples:
                    self._examples[column.name] = _unseen_text(made[column.name], values)
            elif (ends := _ends(column)) is not None:
                unseen = int(((values < ends[0]) | (values > ends[1])).sum())
            self._missing[i] += missing
            self._unseen[i] += unseen

    def merge(self, later: Census) -> None:
        """Count what another census of the same model counted of the rows behind these."""
        self.rows += later.rows
        self._missing += later._missing
        self._unseen += later._unseen
        self._examples = later._examples | self._examples

    def columns(self) -> tuple[ColumnCensus, ...]:
        """Every column, the unusual ones first.

        With `strict` raises `DataError` naming those.
        """
        counted = [self._of(i, column) for i, column in enumerate(self._columns)]
        ranked = tuple(sorted(counted, key=lambda c: not c.unusual))
        if self._strict and (unusual := [c for c in ranked if c.unusual]):
            raise DataError(
                "the rows are not like those of training: "
                + "; ".join(describe(c, self.rows) for c in unusual)[:1500],
                hint="fix the table; without --strict it is scored as it is",
            )
        return ranked

    def _of(self, i: int, column: ColumnProfile) -> ColumnCensus:
        missing, unseen = int(self._missing[i]), int(self._unseen[i])
        reference_rows = column.count + column.missing
        once = _seen_once(column)
        present = self.rows - missing
        example = self._examples.get(column.name)
        feature = self._features.get(column.name)
        return ColumnCensus(
            name=column.name,
            missing=missing,
            missing_reference=column.missing / max(reference_rows, 1),
            unseen=unseen if feature else None,
            unseen_reference=once / max(column.count, 1),
            unusual=_rose(missing, self.rows, column.missing, reference_rows)
            or _rose(unseen, present, once, column.count),
            example=example,
            why=_why(example, feature[1]) if example and feature else None,
        )


def describe(column: ColumnCensus, rows: int) -> str:
    """One column in words: how many of its values are missing, or new to the model."""
    said = []
    if column.example is not None:
        example = f", such as {column.example[:_SHOWN]!r}"
        said.append(f"{column.unseen} of {rows} values were never seen in training{example}")
    elif column.unseen:
        said.append(f"{column.unseen} of {rows} values are outside the range of training")
    if column.missing:
        then = f"{column.missing_reference:.1%} in training"
        said.append(f"{column.missing} of {rows} are missing ({then})")
    why = f" ({column.why})" if column.why else ""
    return f"{column.name}: {', '.join(said)}{why}"


def _rose(hits: int, n: int, reference_hits: int, m: int) -> bool:
    if not n or not m or hits / n - reference_hits / m < RISE:
        return False
    return share_p_value(hits, n, reference_hits, m) <= LEVEL


def _seen_once(column: ColumnProfile) -> int:
    """Rows whose value would be unseen, had they been left out: Good (1953), Biometrika 40."""
    distribution = column.distribution
    if isinstance(distribution, Categories):
        return sum(c == 1 for c in distribution.counts.values()) + distribution.other
    return min(2, column.count)


def _ends(column: ColumnProfile) -> tuple[np.float32, np.float32] | None:
    distribution = column.distribution
    if isinstance(distribution, Categories | OpenBins):
        return None
    ends = distribution.edges if isinstance(distribution, Bins) else distribution.values
    return (np.float32(ends[0]), np.float32(ends[-1])) if ends else None


def _unseen_text(column: pa.ChunkedArray, codes: NDArray[np.float32]) -> str:
    unseen = pc.and_(column.is_valid(), pa.array(np.isnan(codes)))
    return str(column.filter(unseen)[0].as_py())


def _why(example: str, feature: Feature) -> str | None:
    known = set(feature.categories or ())
    if example in WORDS:
        return (
            f"taken as missing; where it means that, write `missing: [{example}]` in the contract"
        )
    for zeros in range(1, 10):
        if (padded := "0" * zeros + example) in known:
            return f"training has {padded!r}: the leading zeros are lost, write it as text"
    near = {k.strip().casefold(): k for k in sorted(known)}.get(example.strip().casefold())
    return f"training has {near!r}" if near is not None and near != example else None
