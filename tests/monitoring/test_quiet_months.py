"""Quiet months: alarms of daily windows over 20 columns and 3 segments stay within the budget."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import quiet

CHUNK = 6  # months of one profile


@pytest.mark.slow
@pytest.mark.parametrize("name", quiet.KINDS)
def test_quiet_months_alarm_within_the_budget(name: str) -> None:
    """A thousand months of each kind are a line of the benchmarks."""
    kind = quiet.KINDS[name]
    chunks = [kind.months(np.random.default_rng([11, i]), CHUNK) for i in range(4)]
    mean, error = quiet.mean_and_error(chunks)
    assert mean <= quiet.BUDGET + 2 * error, f"{mean:.2f} alarms a month"


def test_rows_of_a_group_taken_for_independent_alarm_every_day() -> None:
    rng = np.random.default_rng(12)
    naive = quiet.Known.of(quiet.in_groups(rng, 10), grouped=False, spanned=False)
    right = quiet.Known.of(quiet.in_groups(rng, 40), grouped=True, spanned=False)
    days = [quiet.in_groups(rng, 1) for _ in range(5)]
    assert sum(bool(naive.drifted(day)) for day in days) >= 4
    assert sum(bool(right.drifted(day)) for day in days) <= 1


@pytest.mark.slow
def test_a_small_shift_of_one_column_is_named_in_the_first_window() -> None:
    """A thousand such windows are a line of the benchmarks."""
    named = quiet.named_at_once(np.random.default_rng(13), windows=200)
    assert named >= 180, f"named in {named} of 200"
