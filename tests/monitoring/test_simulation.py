"""How often a quiet window alarms, and how often a shift is found, over mixed columns."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from mlops_cli.bundle.manifest import Input
from mlops_cli.bundle.profile import Profile
from mlops_cli.monitoring.counts.comparison import compare
from mlops_cli.monitoring.drift.profile import build_profile
from mlops_cli.monitoring.drift.verdict import alpha_of, find_drift

ALPHA = alpha_of(1.0, timedelta(days=1))
WINDOWS = 500
Columns = dict[str, np.ndarray]


def draw(rng: np.random.Generator, n: int) -> Columns:
    """Twenty columns: normal, heavy-tailed, discrete, with atoms, categorical, with missing."""
    columns: Columns = {f"normal{i}": rng.normal(i, 1 + i, n) for i in range(6)}
    columns |= {f"lognormal{i}": rng.lognormal(0, 1, n) for i in range(2)}
    columns |= {f"student{i}": rng.standard_t(3, n) for i in range(2)}
    columns["month"] = rng.integers(1, 13, n).astype(float)
    columns["count"] = rng.poisson(3, n).astype(float)
    columns["flag"] = (rng.random(n) < 0.03).astype(float)
    columns["rain"] = np.where(rng.random(n) < 0.9, 0.0, rng.exponential(1, n))
    for i in range(2):
        columns[f"gaps{i}"] = np.where(rng.random(n) < 0.2, np.nan, rng.normal(0, 1, n))
    for name, size in (("few", 3), ("some", 16), ("many", 100)):
        share = 1 / np.arange(1, size + 1)
        columns[name] = rng.choice([f"c{j}" for j in range(size)], n, p=share / share.sum())
    columns["ids"] = np.char.add("i", rng.integers(0, 5000, n).astype(str))
    return columns


SHIFTABLE = ("normal0", "normal5", "lognormal0", "student1", "count", "month", "rain", "gaps0")


def profile_of(columns: Columns, *, sensitive: bool = False) -> Profile:
    inputs = [
        Input(n, "float" if v.dtype.kind == "f" else "text", True, None, "event")
        for n, v in columns.items()
    ]
    raw = build_profile(
        pa.table(columns),
        inputs=inputs,
        features=[],
        importance={},
        sensitive=columns if sensitive else (),
    )
    return msgspec.json.decode(raw, type=Profile)


def drifted(profile: Profile, columns: Columns) -> list[str]:
    found = find_drift(compare(profile, [pa.table(columns)]), ALPHA)
    return [c.name for c in found if c.drifted]


@pytest.mark.slow
@pytest.mark.parametrize("sensitive", [False, True])
@pytest.mark.parametrize("reference", [2_000, 100_000])
@pytest.mark.parametrize("rows", [100, 1_000, 10_000])
def test_quiet_windows_seldom_alarm(rows: int, reference: int, sensitive: bool) -> None:
    rng = np.random.default_rng(rows + reference)
    alarms = 0
    for window in range(WINDOWS):
        if window % 100 == 0:  # the profile is itself a sample: a few of them
            profile = profile_of(draw(rng, reference), sensitive=sensitive)
        alarms += bool(drifted(profile, draw(rng, rows)))
    assert alarms / WINDOWS <= 0.05, f"{alarms} of {WINDOWS} quiet windows alarmed"


@pytest.mark.slow
@pytest.mark.parametrize("sensitive", [False, True])
@pytest.mark.parametrize("name", SHIFTABLE)
def test_shift_of_a_third_of_a_sigma_is_found(name: str, sensitive: bool) -> None:
    rng = np.random.default_rng(7)
    profile = profile_of(draw(rng, 100_000), sensitive=sensitive)
    sigma = np.nanstd(draw(rng, 100_000)[name])
    windows, found, first = 100, 0, 0
    for _ in range(windows):
        columns = draw(rng, 1_000)
        columns[name] = columns[name] + 0.3 * sigma
        names = drifted(profile, columns)
        found += name in names
        first += names[:1] == [name]
    assert found / windows >= 0.8, f"found in {found} of {windows}"
    assert first / windows >= 0.8, f"ranked first in {first} of {windows}"
