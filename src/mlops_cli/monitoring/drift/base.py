"""What drift finds: the light results that travel between floors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Statistic = Literal["ks", "chi_square", "missing_share", "unseen_share"]


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """What was found of one column; it drifted where `value` reaches `threshold`.

    `statistic` names the test that says most: the Kolmogorov-Smirnov distance, Pearson's
    chi-square, or the change of the share (0 to 1) of missing or of unseen values. `effect` is
    the share of rows that moved; `p_value` is not corrected for the number of tests.
    `wasserstein` is in the column's unit and null for text; `psi` is null where there are too
    few values, `unseen` where the profile has no complete list of values.
    """

    name: str
    drifted: bool
    statistic: Statistic
    value: float
    threshold: float
    p_value: float
    effect: float
    importance: float
    psi: float | None
    psi_threshold: float | None
    wasserstein: float | None
    missing_current: float
    missing_reference: float
    unseen: float | None
