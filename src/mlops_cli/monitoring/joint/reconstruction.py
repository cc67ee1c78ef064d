"""Drift in how columns go together: are later rows as near to the reference's main axes?

Principal components are fitted on one half of the reference; the distance of a row from what they
leave of it (its reconstruction error) is compared between the other half and the later rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_cli.monitoring.joint.classifier import Columns, JointDrift, ranked
from mlops_cli.monitoring.joint.halves import Rows, floor_of, halves, rank_test

Numbers = NDArray[np.float64]

SHARE = 0.1  # of the budget of false alarms
KEPT = 0.65  # of the variance that the components hold
FLOOR = 0.05  # from one half: less is no drift, however significant
_MOST = 5.0  # standard deviations: one wild value is no axis


@dataclass(frozen=True, slots=True)
class _Axes:
    """How rows are brought to one scale, and the components, shape (k, f)."""

    centre: Numbers
    spread: Numbers
    codes: tuple[Numbers | None, ...]
    components: Numbers

    def errors(self, values: Numbers) -> Numbers:
        """The squared distance by row and column, shape (n, f)."""
        scaled = _scaled(_counted(values, self.codes), self.centre, self.spread)
        return np.asarray((scaled - scaled @ self.components.T @ self.components) ** 2)


def reconstruction_drift(
    reference: Rows,
    current: Rows,
    columns: Columns,
    *,
    alpha: float,
    quiet: Sequence[float] = (),
) -> JointDrift:
    """Whether rows of `current` are reconstructed worse or better than those of `reference`.

    The effect is by how much the share of pairs in which the later row is farther off differs from
    one half, either way. `alpha` is the whole budget, of which a tenth is spent here; `quiet` as in
    `domain_drift`.
    """
    level = SHARE * alpha
    cut = halves(reference, current)
    learn = cut.values[cut.learn[~cut.later[cut.learn]]]
    judged, later = cut.values[cut.judge], cut.later[cut.judge]
    if len(learn) < 2 or not later.any() or later.all():
        return JointDrift(False, 0.0, FLOOR, 1.0, len(later), ())
    errors = _axes(learn, columns).errors(judged)
    each = errors.sum(axis=1)
    area, above = rank_test(each, later)
    p_value = min(1.0, 2 * min(above, rank_test(-each, later)[1]))
    effect, threshold = abs(area - 0.5), max(FLOOR, floor_of(quiet, level, none=0.0))
    drifted = p_value <= level and effect > threshold
    moved = errors[later].mean(axis=0) - errors[~later].mean(axis=0)
    carriers = ranked(columns.names, moved if area > 0.5 else -moved) if drifted else ()
    return JointDrift(drifted, effect, threshold, p_value, len(later), carriers)


def _axes(values: Numbers, columns: Columns) -> _Axes:
    codes = tuple(
        _frequencies(values[:, i]) if is_code else None for i, is_code in enumerate(columns.mask())
    )
    counted = _counted(values, codes)
    there = np.isfinite(counted)
    rows = np.maximum(there.sum(axis=0), 1)
    filled = np.where(there, counted, 0.0)
    centre = filled.sum(axis=0) / rows
    spread = np.sqrt((np.where(there, filled - centre, 0.0) ** 2).sum(axis=0) / rows)
    spread[spread == 0] = 1.0
    scaled = _scaled(counted, centre, spread)
    variance, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    held = np.cumsum(variance[::-1]) / max(float(variance.sum()), 1e-12)
    kept = min(int(np.searchsorted(held, KEPT)) + 1, max(1, len(held) - 1))
    return _Axes(centre, spread, codes, vectors[:, ::-1][:, :kept].T)


def _frequencies(codes: Numbers) -> Numbers:
    """The share of rows of each code; a category counts as how frequent it is."""
    there = codes[np.isfinite(codes) & (codes >= 0)].astype(np.int64)
    return np.asarray(np.bincount(there, minlength=1) / max(len(there), 1))


def _counted(values: Numbers, codes: Sequence[Numbers | None]) -> Numbers:
    found = values.copy()
    for i, shares in enumerate(codes):
        if shares is not None:
            there = np.isfinite(values[:, i]) & (values[:, i] >= 0)
            at = np.where(there, values[:, i], 0).astype(np.int64)
            share = np.where(at < len(shares), shares[np.minimum(at, len(shares) - 1)], 0.0)
            found[:, i] = np.where(there, share, np.nan)
    return found


def _scaled(values: Numbers, centre: Numbers, spread: Numbers) -> Numbers:
    scaled = np.clip((values - centre) / spread, -_MOST, _MOST)
    return np.where(np.isnan(scaled), 0.0, scaled)  # missing: as the mean
