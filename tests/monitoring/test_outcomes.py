"""Predictions and labels beside those of the hold-out: what moved, and what only scatters."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from mlops_cli._json import canonical_json
from mlops_cli.bundle.profile import Profile
from mlops_cli.monitoring.drift.outcomes import (
    PREDICTION,
    TARGET,
    Outcomes,
    column_of,
    outcome_profiles,
    shift_of,
)
from mlops_cli.monitoring.drift.profile import ROWS, Units
from mlops_cli.monitoring.drift.spans import span_for
from mlops_cli.tables.base import ROW

DAY = 86_400_000_000  # microseconds
CLASSES = ("early", "late", "on time")


def _profiles(
    said: Any, truth: Any, classes: Any = None, units: Units = ROWS, **ids: Any
) -> dict[str, Profile]:
    subjects = pa.table({ROW: np.arange(len(truth)), **ids})
    made = outcome_profiles(Outcomes(said, truth, subjects, units, False), classes)
    return {k: msgspec.json.decode(canonical_json(p), type=Profile) for k, p in made.items()}


def test_a_moved_probability_drifts_and_a_quiet_one_does_not() -> None:
    rng = np.random.default_rng(0)
    profiles = _profiles(rng.beta(2, 5, 3000), rng.integers(0, 2, 3000) * 1.0, (False, True))
    for low, moved in ((2, False), (3, True)):
        column = column_of(PREDICTION, rng.beta(low, 5, 1000), (False, True))
        found = shift_of(profiles[PREDICTION], column, alpha=1 / 30, span=None)
        assert found is not None
        assert found["drifted"] == moved
        low_end, high_end = found["prediction_drift_low"], found["prediction_drift_high"]
        assert low_end <= found["prediction_drift"] <= high_end
        assert (low_end > 0.05) == moved


def test_classes_and_their_labels_are_shares() -> None:
    rng = np.random.default_rng(1)
    said = rng.dirichlet([3, 2, 1], 2000)
    profiles = _profiles(said, said.argmax(axis=1) * 1.0, CLASSES)
    assert profiles[TARGET].columns[0].distribution == profiles[PREDICTION].columns[0].distribution
    labels = np.where(np.arange(900) % 3 == 0, np.nan, 1.0)  # every known one is `late`
    column = column_of(TARGET, labels, CLASSES)
    assert column.to_pylist()[:2] == [None, "late"]
    found = shift_of(profiles[TARGET], column, alpha=1 / 30, span=None)
    assert found is not None
    assert found["drifted"] == 1
    assert found["target_drift"] == pytest.approx(1 - (said.argmax(axis=1) == 1).mean(), abs=0.01)


def test_too_few_rows_say_nothing_and_a_rare_class_is_no_certainty() -> None:
    rng = np.random.default_rng(2)
    profiles = _profiles(rng.random(500), (rng.random(500) < 0.02) * 1.0, (False, True))
    column = column_of(PREDICTION, rng.random(20), (False, True))
    assert shift_of(profiles[PREDICTION], column, alpha=0.03, span=None) is None
    column = column_of(TARGET, np.zeros(72), (False, True))
    found = shift_of(profiles[TARGET], column, alpha=0.03, span=None)
    assert found is not None
    assert (found["target_drift_low"], found["drifted"]) == (0, 0)


def test_without_identities_a_day_may_lie_as_far_off_as_days_do() -> None:
    rng = np.random.default_rng(3)
    days, rows = 40, 200
    of_day = rng.normal(0, 1, days + 1)
    said = np.repeat(of_day[:days], rows) + rng.normal(0, 1, days * rows)
    units = Units((), np.repeat(np.arange(days) * DAY, rows))
    profile = _profiles(said, said, None, units)[PREDICTION]
    span = span_for(profile.spans, 86_400)
    assert span is not None
    usual = np.argsort(np.abs(of_day))[days // 2]
    column = pa.array(of_day[usual] + rng.normal(0, 1, rows))
    alone = shift_of(profile, column, alpha=1 / 30, span=None)
    among = shift_of(profile, column, alpha=1 / 30, span=span)
    assert alone is not None
    assert among is not None
    assert (alone["drifted"], among["drifted"]) == (1, 0)


def test_one_row_of_each_subject_counts() -> None:
    rng = np.random.default_rng(4)
    said = np.repeat(rng.random(50), 40)
    of = {"__id__customer": pa.array(np.repeat(np.arange(50), 40).astype(str))}
    profiles = _profiles(said, said, None, Units(("customer",)), **of)
    assert profiles[PREDICTION].rows == 50
    assert profiles[PREDICTION].spans == ()
