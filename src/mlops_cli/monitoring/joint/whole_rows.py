"""Drift of a window that no column shows by itself: both tests, on Arrow rows of either side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.bundle.profile import ColumnProfile
from mlops_cli.monitoring.collected.rows import UNIT
from mlops_cli.monitoring.counts.columns import doubles
from mlops_cli.monitoring.joint import classifier, reconstruction
from mlops_cli.monitoring.joint.classifier import Columns, JointDrift, domain_drift
from mlops_cli.monitoring.joint.halves import Rows
from mlops_cli.monitoring.joint.reconstruction import reconstruction_drift
from mlops_cli.monitoring.windows.records import Carrier, JointFound, JointTest
from mlops_cli.tables.groups import codes_of

SHARE = classifier.SHARE + reconstruction.SHARE  # of the window's budget of false alarms
LEAST = 100  # rows, or subjects, of either side: fewer show nothing, and cost the columns budget
LEAST_PART = 0.05  # of what was found, for a column to be named
NAMED = 10
_FARTHEST = float(np.finfo(np.float32).max)  # as far as a model sees
Numbers = NDArray[np.float64]


def find_joint(
    reference: pa.Table, current: pa.Table, columns: Sequence[ColumnProfile], alpha: float
) -> JointFound | None:
    """Whether the rows of `current`, taken whole, differ from those of `reference`.

    Both tables have the `columns` and `__unit__`, a text (rows of one unit are alike; null: a row
    by itself). The probability that either test finds something in a quiet window is at most
    `SHARE` of `alpha`. None where fewer than two columns or 100 units are on either side.
    """
    names = [c.name for c in columns]
    before, after = _groups(reference, current)
    if len(names) < 2 or min(len(np.unique(before)), len(np.unique(after))) < LEAST:
        return None
    texts = frozenset(n for n in names if _is_text(reference[n].type) or _is_text(current[n].type))
    pairs = [
        (_codes if name in texts else _numbers)(reference[name], current[name]) for name in names
    ]
    samples = (
        Rows(np.column_stack([pair[0] for pair in pairs]), before),
        Rows(np.column_stack([pair[1] for pair in pairs]), after),
    )
    asked = Columns(names, texts)
    with ThreadPoolExecutor(1) as beside:  # arithmetic, which lets go of the lock
        reconstructing = beside.submit(reconstruction_drift, *samples, asked, alpha=alpha)
        found = {
            "classifier": domain_drift(*samples, asked, alpha=alpha),
            "reconstruction": reconstructing.result(),
        }
    return JointFound(
        drifted=any(one.drifted for one in found.values()),
        rows=found["classifier"].units,
        tests=tuple(_test(name, one) for name, one in found.items()),
        columns=_carriers(list(found.values())),
    )


def _groups(before: pa.Table, after: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The units' codes in both: the same subject has the same one."""
    units = [table[UNIT].cast(pa.string()) for table in (before, after)]
    both = pa.chunked_array([chunk for unit in units for chunk in unit.chunks], pa.string())
    codes = codes_of(pa.table({UNIT: both}), [UNIT])
    return codes[: before.num_rows], codes[before.num_rows :]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _numbers(before: pa.ChunkedArray, after: pa.ChunkedArray) -> tuple[Numbers, Numbers]:
    """A column of numbers in both; what is missing or infinite is NaN."""

    def plain(column: pa.ChunkedArray) -> Numbers:
        values = doubles(column)
        return np.clip(np.where(np.isfinite(values), values, np.nan), -_FARTHEST, _FARTHEST)

    return plain(before), plain(after)


def _codes(before: pa.ChunkedArray, after: pa.ChunkedArray) -> tuple[Numbers, Numbers]:
    """A column of texts in both, as codes; what is missing is NaN."""
    texts = [column.cast(pa.string()) for column in (before, after)]
    chunks = [chunk for text in texts for chunk in text.chunks]
    both = pa.chunked_array(chunks, pa.string()).combine_chunks().dictionary_encode()
    codes = np.asarray(both.indices.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    return codes[: len(before)], codes[len(before) :]


def _test(name: str, found: JointDrift) -> JointTest:
    return JointTest(
        name=name,
        drifted=found.drifted,
        effect=round(found.effect, 6),
        threshold=round(found.threshold, 6),
        p_value=float(f"{found.p_value:.4g}"),
    )


def _carriers(found: Sequence[JointDrift]) -> tuple[Carrier, ...]:
    """The columns by their mean share in those tests that found something."""
    told = [one for one in found if one.drifted]
    shares: dict[str, float] = {}
    for one in told:
        for carrier in one.carriers:
            shares[carrier.name] = shares.get(carrier.name, 0.0) + carrier.share / len(told)
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    kept = [(name, share) for name, share in ranked if share >= LEAST_PART]
    return tuple(Carrier(name=name, share=round(share, 4)) for name, share in kept[:NAMED])
