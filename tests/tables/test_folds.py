"""Folds: what is learned from and what is judged by never mix, whatever they are drawn by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.errors import DataError
from mlops_cli.tables.folds import folds
from mlops_cli.tables.split import Draw, Keys, split

MICROSECONDS = 1_000_000


def table(n: int, seed: int = 0) -> Keys:
    rng = np.random.default_rng(seed)
    moments = np.sort(rng.integers(0, n // 3 + 1, n)) * MICROSECONDS
    return Keys(np.arange(n), rng.integers(0, 3, n), moments, rng.integers(0, n // 4 + 8, n))


def draw(by: str, seed: int = 0, gap: int = 0) -> Draw:
    return Draw(by, 0.2, 0.2, seed, gap)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(80, 400),
    by=st.sampled_from(["random", "stratified", "group"]),
    count=st.integers(2, 6),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 5),
)
def test_each_fitted_row_is_judged_once_a_repeat_and_no_row_of_the_holdout(
    n, by, count, repeats, seed
):
    keys, how = table(n, seed), draw(by, seed)
    parts = split(how, keys)
    made = folds(how, keys, parts.fitted, count, repeats=repeats)
    assert len(made) == count * repeats
    for first in range(0, len(made), count):
        judged = np.concatenate([f.validation for f in made[first : first + count]])
        assert sorted(judged.tolist()) == parts.fitted.tolist()
    for fold in made:
        both = np.concatenate([fold.train, fold.validation])
        assert sorted(both.tolist()) == parts.fitted.tolist()
        assert (np.diff(fold.train) > 0).all()
        assert (np.diff(fold.validation) > 0).all()


def test_repeats_and_seeds_draw_other_folds_and_the_same_seed_the_same():
    keys, rows = table(200), np.arange(200)
    for by in ("random", "stratified", "group"):
        once, again = (folds(draw(by), keys, rows, 5, repeats=2) for _ in range(2))
        other = folds(draw(by, seed=1), keys, rows, 5)
        for a, b in zip(once, again, strict=True):
            assert a.validation.tolist() == b.validation.tolist()
        assert once[0].validation.tolist() != once[5].validation.tolist()
        assert once[0].validation.tolist() != other[0].validation.tolist()


@settings(deadline=None, max_examples=40)
@given(n=st.integers(60, 400), count=st.integers(2, 6), seed=st.integers(0, 9))
def test_a_group_is_in_one_fold_and_folds_are_about_equal(n, count, seed):
    keys = table(n, seed)
    made = folds(draw("group", seed), keys, np.arange(n), count)
    for fold in made:
        assert not set(keys.groups[fold.train]) & set(keys.groups[fold.validation])
    sizes = [len(fold.validation) for fold in made]
    assert max(sizes) - min(sizes) <= 2 * np.bincount(keys.groups).max()


@settings(deadline=None, max_examples=40)
@given(n=st.integers(60, 400), count=st.integers(2, 6), seed=st.integers(0, 9))
def test_each_class_is_spread_over_the_folds(n, count, seed):
    keys = table(n, seed)
    made = folds(draw("stratified", seed), keys, np.arange(n), count)
    sizes = [len(fold.validation) for fold in made]
    assert max(sizes) - min(sizes) <= 1
    for code in range(3):
        held = [(keys.target[f.validation] == code).sum() for f in made]
        assert max(held) - min(held) <= 1


def test_a_class_of_one_row_is_always_learned_from():
    target = np.repeat([0, 1, 2], [50, 49, 1])
    made = folds(draw("stratified"), Keys(np.arange(100), target), np.arange(100), 5)
    assert all(99 in f.train for f in made)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(60, 400),
    count=st.integers(1, 5),
    gap=st.sampled_from([0, 1, 3]),
    seed=st.integers(0, 9),
)
def test_by_time_every_fold_is_judged_by_what_comes_later(n, count, gap, seed):
    keys = table(n, seed)
    made = folds(draw("time", gap=gap * MICROSECONDS), keys, np.arange(n), count)
    assert len(made) == count
    for fold in made:
        ends, begins = keys.moments[fold.train].max(), keys.moments[fold.validation].min()
        assert ends + gap * MICROSECONDS <= begins
        assert ends < begins
        left = np.setdiff1d(np.arange(fold.validation[0]), fold.train)
        assert not len(left) or keys.moments[left].min() > begins - gap * MICROSECONDS
    judged = np.concatenate([f.validation for f in made])
    assert judged.tolist() == list(range(judged[0], n))


@pytest.mark.parametrize(
    ("by", "keys", "said"),
    [
        ("group", Keys(np.arange(40), groups=np.arange(40) // 10), "4 groups cannot make 5 folds"),
        ("random", Keys(np.arange(9)), "9 rows cannot make 5 folds"),
        ("time", Keys(np.arange(40), moments=np.arange(40) // 10), "2 moments in the later half"),
        ("time", Keys(np.arange(12), moments=np.arange(12)), "12 rows cannot make 5 folds"),
    ],
)
def test_more_folds_than_there_is_something_for(by, keys, said):
    with pytest.raises(DataError, match=said):
        folds(draw(by), keys, np.arange(len(keys.numbers)), 5)


def test_a_group_is_in_one_part_of_the_split():
    keys = table(300)
    parts = split(draw("group"), keys)
    of = [set(keys.groups[rows]) for rows in (parts.train, parts.validation, parts.holdout)]
    assert len(set.union(*of)) == sum(map(len, of))
    assert abs(len(parts.holdout) - 60) <= np.bincount(keys.groups).max()
    with pytest.raises(DataError, match=r"split\.key tells 2 groups apart"):
        split(draw("group"), Keys(np.arange(40), groups=np.arange(40) // 20))


def test_the_gap_by_time_is_left_out_before_validation_and_holdout():
    moments = np.arange(100) * MICROSECONDS
    parts = split(draw("time", gap=5 * MICROSECONDS), Keys(np.arange(100), moments=moments))
    assert (parts.train[-1], parts.validation[0]) == (55, 60)
    assert (parts.validation[-1], parts.holdout[0]) == (75, 80)
    assert parts.fitted.tolist() == list(range(76))
    assert parts.left_out.tolist() == [76, 77, 78, 79]
    with pytest.raises(DataError, match=r"split\.gap leaves out every row of the validation part"):
        split(draw("time", gap=40 * MICROSECONDS), Keys(np.arange(100), moments=moments))
