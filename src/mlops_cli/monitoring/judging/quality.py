"""The quality of a window's inputs: what is missing, unseen, or beyond what training knew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from mlops_cli.bundle.profile import Bins, Values
from mlops_cli.monitoring.counts.comparison import Comparison
from mlops_cli.monitoring.windows.records import ColumnQuality, QualityFound

BROKEN = 0.05  # of the rows, more missing than at training: a fault of the data, surely so
LEVEL = 0.95  # of the intervals of all columns together
LEAST = 0.001  # of a share, to be told of


@dataclass(frozen=True, slots=True)
class Share:
    """A share (0 to 1), and its interval by Wilson (1927)."""

    value: float
    low: float
    high: float


def find_quality(columns: Sequence[Comparison]) -> QualityFound:
    """Judge the inputs of a window by what was counted of each.

    The figures are of the worst column each, by the near end of its interval; their intervals hold
    for all columns together, so that the worst of many is not worse than it is. `null_rate` is the
    rise over the profile's missing share. Data is broken where that is surely above `BROKEN`.
    """
    inputs = [c for c in columns if c.profile.role == "input"]
    z = float(ndtri(1 - (1 - LEVEL) / (2 * max(len(inputs), 1))))
    kinds = (
        ("null_rate", _nulls),
        ("unseen_rate", _unseen),
        ("out_of_range", _beyond),
    )
    figures: dict[str, float] = {}
    for name, of in kinds:
        found = [s for c in inputs if (s := of(c, z)) is not None]
        if found:
            worst = max(found, key=lambda s: (s.low, s.value))
            figures |= {name: worst.value, f"{name}_low": worst.low, f"{name}_high": worst.high}
    told = sorted(_told(inputs), key=lambda q: (-max(q.rise, q.unseen, q.out_of_range), q.name))
    broken = [c for c in inputs if (s := _nulls(c, z)) is not None and s.low > BROKEN]
    return QualityFound(
        broken=bool(broken),
        figures=_rounded(figures),
        faults=tuple(_fault(c) for c in broken),
        columns=tuple(told),
    )


def broken_columns(found: QualityFound) -> set[str]:
    """The columns whose missing values make the data broken."""
    return {q.name for q in found.columns if found.broken and q.rise > BROKEN}


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in figures.items()}


def _fault(column: Comparison) -> str:
    share, known = column.missing / column.rows, _known_missing(column)
    return (
        f"{column.profile.name} is missing (or not {column.profile.type}) in {share:.1%} of the "
        f"rows, at training in {known:.1%}"
    )


def _told(columns: Sequence[Comparison]) -> Iterator[ColumnQuality]:
    for column in columns:
        present = max(column.rows - column.missing, 1)
        missing = column.missing / max(column.rows, 1)
        found = ColumnQuality(
            name=column.profile.name,
            missing=round(missing, 6),
            rise=round(missing - _known_missing(column), 6),
            unseen=round(_new(column) / present, 6),
            out_of_range=round((_outside(column) or 0) / present, 6),
        )
        if max(found.rise, found.unseen, found.out_of_range) >= LEAST:
            yield found


def _nulls(column: Comparison, z: float) -> Share | None:
    if not column.rows:
        return None
    known = _known_missing(column)
    found = wilson(column.missing, column.rows, z)
    return Share(found.value - known, found.low - known, found.high - known)


def _unseen(column: Comparison, z: float) -> Share | None:
    present = column.rows - column.missing
    text = column.profile.type == "text"
    return wilson(_new(column), present, z) if present and text else None


def _beyond(column: Comparison, z: float) -> Share | None:
    present, outside = column.rows - column.missing, _outside(column)
    return wilson(outside, present, z) if present and outside is not None else None


def _new(column: Comparison) -> int:
    return column.unseen or 0 if column.profile.type == "text" else 0


def _outside(column: Comparison) -> int | None:
    """The values below the least and above the greatest that training had, where that is known."""
    if not isinstance(column.profile.distribution, Bins | Values) or not column.profile.count:
        return None
    return int(column.current[0] + column.current[-1])


def _known_missing(column: Comparison) -> float:
    profile = column.profile
    return profile.missing / max(profile.count + profile.missing, 1)


def wilson(hits: int, n: int, z: float) -> Share:
    """The share `hits` of `n`, with Wilson's interval (1927) of `z` standard deviations."""
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return Share(share, max(0.0, centre - half), min(1.0, centre + half))
