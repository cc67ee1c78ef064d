"""Metrics of units: which columns each is of, and the numbers that are compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.config.sections.experiment import LOGGED, parts_of
from mlops_cli.experiments.found import Kind
from mlops_cli.experiments.kpi import BEFORE, Kpi
from mlops_cli.experiments.lift import Array, Mask, Sample


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric in the units that have it: `chosen` of all units, shape (n,)."""

    sample: Sample
    kind: Kind
    chosen: Mask

    def where(self, chosen: Mask) -> Sample:
        """The sample of some of all units, shape (n,)."""
        inside = chosen[self.chosen]
        s = self.sample
        return Sample(
            candidate=s.candidate[inside],
            top=s.top[inside],
            bottom=s.bottom[inside],
            before=s.before[inside],
            rows=s.rows[inside],
            stratum=s.stratum[inside],
            subject=s.subject[inside],
        )


class Units:
    """The table of `read_units`, without the units that met both arms."""

    def __init__(self, table: pa.Table, kpi: Kpi | None) -> None:
        whole = np.asarray(table["candidate"].is_valid())
        self.mixed = int((~whole).sum())
        self.table = table.filter(pa.array(whole))
        self.candidate = np.asarray(self.table["candidate"].to_numpy(), bool)
        self._stratum = np.asarray(self.table["stratum"], np.int64)
        codes = self.table["unit"].combine_chunks().dictionary_encode().indices
        self._subject = np.asarray(codes, np.int64)
        self._kpi = kpi
        self._by_subject = kpi.metrics if kpi is not None and kpi.by == "subject" else ()

    @property
    def shared(self) -> Mask:
        """Which units came while both arms were answered, shape (n,)."""
        both = set(self._stratum[self.candidate]) & set(self._stratum[~self.candidate])
        return np.isin(self._stratum, list(both))

    def names(self) -> Iterator[str]:
        """The metrics that there are, those of the file first."""
        yield from self._kpi.metrics if self._kpi is not None else ()
        yield from (n for n in LOGGED if f"{n}:sum" in self.table.column_names)

    def measure(self, metric: str) -> Measured | None:
        """A metric by its name, or a ratio `A / B`; None where no unit has it."""
        top, bottom = parts_of(metric)
        if top in self._by_subject:
            return self._of_subjects(top, bottom)
        return self._of_rows(top, bottom)

    def _of_rows(self, top: str, bottom: str | None) -> Measured | None:
        sums, counts = self._numbers(f"{top}:sum"), self._numbers(f"{top}:count")
        below = counts if bottom is None else self._numbers(f"{bottom}:sum")
        chosen = np.isfinite(sums) & np.isfinite(below) & (counts > 0)
        if not chosen.any():
            return None
        before = []
        if f"{top}:sum_before" in self.table.column_names:
            past = self._numbers(f"{top}:sum_before", 0.0)
            name = f"{top}:count_before" if bottom is None else f"{bottom}:sum_before"
            before.append(_residual(past[chosen], self._numbers(name, 0.0)[chosen]))
        if f"{top}{BEFORE}:sum" in self.table.column_names and bottom is None:
            told = self._numbers(f"{top}{BEFORE}:count")
            with np.errstate(invalid="ignore", divide="ignore"):
                before += _filled((self._numbers(f"{top}{BEFORE}:sum") / told)[chosen])
        one = bottom is None and bool(np.all(counts[chosen] == 1))
        is_rate = one and bool(np.all(np.isin(sums[chosen], (0.0, 1.0))))
        kind: Kind = "rate" if is_rate or self._is_share(top) else "mean"
        return Measured(
            self._sample(chosen, (sums, below), before, counts),
            "ratio" if bottom is not None else kind,
            chosen,
        )

    def _of_subjects(self, top: str, bottom: str | None) -> Measured | None:
        timed = self._kpi is not None and self._kpi.timed
        gap = 0.0 if timed else np.nan  # a file of events says nothing of who did nothing
        values = self._numbers(f"{top}:value", gap)
        ones = np.ones(len(values))
        below = ones if bottom is None else self._numbers(f"{bottom}:value", gap)
        chosen = np.isfinite(values) & np.isfinite(below)
        if not chosen.any() or not below[chosen].any():
            return None
        past = self._numbers(f"{top}:before")[chosen]
        if timed and np.isfinite(past).any():
            past = np.nan_to_num(past)
        if bottom is None:
            before = _filled(past)
        else:
            before = [_residual(*map(np.nan_to_num, (
                past, self._numbers(f"{bottom}:before")[chosen]
            )))]  # fmt: skip
        rows = np.maximum(1.0, self._numbers(f"{top}:n", 0.0))
        is_rate = bottom is None and bool(np.all(np.isin(values[chosen], (0.0, 1.0))))
        kind: Kind = "rate" if is_rate else "mean"
        return Measured(
            self._sample(chosen, (values, below), before, rows),
            "ratio" if bottom is not None else kind,
            chosen,
        )

    def _sample(
        self, chosen: Mask, metric: tuple[Array, Array], before: Sequence[Array], rows: Array
    ) -> Sample:
        told = [b for b in before if len(b) and np.ptp(b) > 0]
        return Sample(
            candidate=self.candidate[chosen],
            top=metric[0][chosen],
            bottom=metric[1][chosen],
            before=np.column_stack(told) if told else np.zeros((int(chosen.sum()), 0)),
            rows=rows[chosen],
            stratum=self._stratum[chosen],
            subject=self._subject[chosen],
        )

    def _is_share(self, name: str) -> bool:
        return name == "error_rate"

    def _numbers(self, name: str, gap: float = np.nan) -> NDArray[np.float64]:
        column = self.table[name].cast(pa.float64()).to_numpy()
        return np.where(np.isnan(column), gap, column)


def _residual(top: Array, bottom: Array) -> Array:
    """What a unit's sum lay above the common ratio, before the experiment; 0 where it was not."""
    total = float(bottom.sum())
    return top - (float(top.sum()) / total if total else 0.0) * bottom


def _filled(values: Array) -> list[Array]:
    """What was before, with gaps at its mean, and where the gaps are."""
    there = np.isfinite(values)
    if not there.any():
        return []
    return [np.where(there, values, values[there].mean()), there.astype(np.float64)]
