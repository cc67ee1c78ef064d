"""What a user sees of drift: which columns are named, in which order, and by which evidence."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from mlops_cli.bundle.manifest import Feature, Input
from mlops_cli.bundle.profile import Profile
from mlops_cli.errors import InconclusiveError
from mlops_cli.monitoring.counts.comparison import compare
from mlops_cli.monitoring.drift.base import ColumnDrift
from mlops_cli.monitoring.drift.hypotheses import Hypothesis, evaluate
from mlops_cli.monitoring.drift.profile import build_profile
from mlops_cli.monitoring.drift.sample import OTHER, Sample, reconstruct
from mlops_cli.monitoring.drift.verdict import alpha_of, find_drift

ALPHA = 1 / 30


def table(seed: int, n: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "number": rng.normal(10, 2, n),
            "gaps": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "month": rng.integers(1, 4, n),
            "flag": rng.random(n) < 0.2,
            "city": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
        }
    )


TYPES = {"number": "float", "gaps": "float", "month": "integer", "flag": "boolean", "city": "text"}


@pytest.fixture(scope="module")
def profile() -> Profile:
    raw = build_profile(
        table(0, 20_000),
        inputs=[Input(n, t, True, None, "event") for n, t in TYPES.items()],  # type: ignore[arg-type]
        features=[Feature(n, "category" if t == "text" else "numeric") for n, t in TYPES.items()],
        importance={"number": 1, "gaps": 1, "month": 1, "flag": 1, "city": 6},
    )
    return msgspec.json.decode(raw, type=Profile)


def judged(profile: Profile, current: pa.Table) -> list[ColumnDrift]:
    return find_drift(compare(profile, current.to_batches(100)), ALPHA)


def changed(column: str, values: object) -> pa.Table:
    current = table(1, 1000)
    return current.set_column(current.column_names.index(column), column, pa.array(values))


def names(found: list[ColumnDrift]) -> list[str]:
    return [c.name for c in found if c.drifted]


def test_window_of_the_same_kind_is_quiet(profile: Profile) -> None:
    assert names(judged(profile, table(1, 1000))) == []


def test_counting_in_batches_changes_no_number(profile: Profile) -> None:
    current = table(1, 1000)
    whole = find_drift(compare(profile, [current]), ALPHA)
    for one, other in zip(judged(profile, current), whole, strict=True):
        assert (one.name, one.value, one.psi) == (other.name, other.value, other.psi)
        assert one.wasserstein == pytest.approx(other.wasserstein)


@pytest.mark.parametrize("column", ["number", "gaps", "month"])
def test_shifted_numbers_are_drift(profile: Profile, column: str) -> None:
    shifted = np.array(table(1, 1000)[column].to_pandas(), dtype=float) * 1.6 + 1
    found = judged(profile, changed(column, shifted))
    assert names(found) == [column]
    assert found[0].value >= found[0].threshold
    assert found[0].wasserstein is not None
    assert found[0].wasserstein > 0.5


def test_values_outside_the_range_are_drift_and_no_error(profile: Profile) -> None:
    found = judged(profile, changed("number", np.full(1000, 1e308)))
    assert names(found) == ["number"]
    assert found[0].effect == pytest.approx(1.0)
    assert found[0].wasserstein is None


def test_month_that_never_was_is_named_as_unseen(profile: Profile) -> None:
    months = np.where(np.arange(1000) < 80, 12, table(1, 1000)["month"].to_numpy())
    found = judged(profile, changed("month", months))
    assert names(found) == ["month"]
    assert found[0].unseen == pytest.approx(0.08)


def test_unseen_category_is_drift_and_no_error(profile: Profile) -> None:
    cities = ["zz" if i < 60 else c for i, c in enumerate(table(1, 1000)["city"].to_pylist())]
    found = judged(profile, changed("city", cities))
    assert names(found) == ["city"]
    assert found[0].unseen == pytest.approx(0.06)


def test_values_that_all_changed_have_a_large_psi(profile: Profile) -> None:
    (city, *_) = judged(profile, changed("city", ["zz"] * 1000))
    assert (city.name, city.drifted, city.effect) == ("city", True, pytest.approx(1.0))
    assert city.psi is not None
    assert city.psi_threshold is not None
    assert city.psi > 5 > city.psi_threshold


def test_new_missing_values_are_drift_of_the_missing_share(profile: Profile) -> None:
    numbers = [
        None if i % 20 == 0 else v for i, v in enumerate(table(1, 1000)["number"].to_pylist())
    ]
    (first, *_) = judged(profile, changed("number", numbers))
    assert (first.name, first.drifted, first.statistic) == ("number", True, "missing_share")
    assert (first.missing_current, first.missing_reference) == (0.05, 0.0)
    assert first.threshold <= first.value == pytest.approx(0.05)


def test_missing_values_that_ended_are_drift(profile: Profile) -> None:
    (first, *_) = judged(profile, changed("gaps", np.random.default_rng(3).normal(size=1000)))
    assert (first.name, first.drifted, first.statistic) == ("gaps", True, "missing_share")
    assert first.value >= first.threshold


def test_column_that_went_away_is_drift(profile: Profile) -> None:
    found = judged(profile, changed("number", pa.nulls(1000, pa.float64())))
    assert names(found) == ["number"]
    assert found[0].missing_current == 1.0
    assert found[0].wasserstein is None


def test_drifted_columns_are_ranked_by_use_times_effect(profile: Profile) -> None:
    current = changed("city", ["a" if i % 10 < 7 else "b" for i in range(1000)])
    current = current.set_column(0, "number", pa.array(table(1, 1000)["number"].to_numpy() + 2))
    found = judged(profile, current)
    by_name = {c.name: c for c in found}
    assert names(found) == ["city", "number"]
    assert by_name["number"].effect > by_name["city"].effect


def test_difference_too_small_to_matter_is_quiet_however_significant() -> None:
    rng = np.random.default_rng(0)
    inputs = [Input("x", "float", True, None, "event")]
    reference = pa.table({"x": rng.normal(size=200_000)})
    raw = build_profile(reference, inputs=inputs, features=[], importance={})
    current = pa.table({"x": rng.normal(size=200_000) + 0.05})
    (found,) = find_drift(compare(msgspec.json.decode(raw, type=Profile), [current]), ALPHA)
    assert found.p_value < 1e-6
    assert not found.drifted


def test_too_few_rows_are_inconclusive(profile: Profile) -> None:
    with pytest.raises(InconclusiveError, match="29 rows"):
        judged(profile, table(1, 29))
    assert len(judged(profile, table(1, 30))) == len(TYPES)


def test_alpha_follows_the_promise_and_how_often_is_looked() -> None:
    assert alpha_of(1.0, timedelta(days=1)) == pytest.approx(1 / 30)
    assert alpha_of(1.0, timedelta(hours=1)) == pytest.approx(1 / 720)
    assert alpha_of(1.0, timedelta(days=30)) == 0.05


def test_levels_are_holms() -> None:
    def hypothesis(p: float) -> Hypothesis:
        return Hypothesis("x", "ks", 1.0, p, 1.0, 0.0, lambda alpha: alpha)

    got = evaluate([hypothesis(p) for p in (0.04, 0.01, 0.02, 0.5)], 0.05)
    # 0.01 <= 0.05/4 is rejected; 0.02 > 0.05/3 ends it, and all others keep that level.
    assert [(j.hypothesis.p_value, j.rejected) for j in got] == [
        (0.01, True),
        (0.02, False),
        (0.04, False),
        (0.5, False),
    ]
    assert [j.level for j in got] == pytest.approx([0.05 / 4, 0.05 / 3, 0.05 / 3, 0.05 / 3])


def test_reconstructed_rows_look_like_the_profile(profile: Profile) -> None:
    rows = reconstruct(profile, 2000)
    assert names(judged(profile, rows)) == []
    assert rows["gaps"].null_count == pytest.approx(200, abs=20)
    assert set(rows["month"].to_pylist()) == {1.0, 2.0, 3.0}


def test_sample_is_bounded_spread_over_the_stream_and_the_same_again(profile: Profile) -> None:
    current = changed("number", np.arange(1000, dtype=float))

    def take(rows: int) -> pa.Table:
        sample = Sample(profile, rows)
        for _ in sample.through(current.to_batches(64)):
            pass
        return sample.table()

    got = take(200)
    assert got.num_rows == 200
    assert got.equals(take(200))
    assert 400 < np.mean(got["number"].to_numpy()) < 600
    assert take(5000).num_rows == 1000


def test_infinities_are_not_drawn(profile: Profile) -> None:
    sample = Sample(profile, 2000)
    current = changed("number", [np.inf, -np.inf, np.nan, None, *([2.5] * 996)])
    list(sample.through(current.to_batches()))
    assert set(sample.table()["number"].to_pylist()) == {None, 2.5}


def test_texts_unknown_to_the_profile_are_drawn_as_one(profile: Profile) -> None:
    sample = Sample(profile, 2000)
    current = changed("city", [None, *(f"id{i}" for i in range(998)), "a"])
    list(sample.through(current.to_batches()))
    assert set(sample.table()["city"].to_pylist()) == {None, OTHER, "a"}
