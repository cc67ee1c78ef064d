from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.errors import DataError
from mlops_cli.tables.split import Draw, Keys, split


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(20, 400),
    shares=st.tuples(st.floats(0.15, 0.4), st.floats(0.15, 0.4)),
    by=st.sampled_from(["time", "random", "stratified"]),
    seed=st.integers(0, 5),
)
def test_parts_are_every_row_once_and_of_the_asked_sizes(n, shares, by, seed):
    target = np.arange(n) % 3
    parts = split(Draw(by, *shares, seed), Keys(np.arange(n), target))
    together = np.concatenate([parts.train, parts.validation, parts.holdout])
    assert sorted(together.tolist()) == list(range(n))
    assert len(parts.validation) == round(n * shares[0])
    assert len(parts.holdout) == round(n * shares[1])
    for part in (parts.train, parts.validation, parts.holdout, parts.fitted):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()


def test_by_time_the_newest_rows_are_held_out():
    parts = split(Draw("time", 0.2, 0.2, 0), Keys(np.arange(10)))
    assert parts.train.tolist() == [0, 1, 2, 3, 4, 5]
    assert parts.validation.tolist() == [6, 7]
    assert parts.holdout.tolist() == [8, 9]


@settings(deadline=None, max_examples=40)
@given(counts=st.lists(st.integers(5, 60), min_size=2, max_size=5), seed=st.integers(0, 5))
def test_stratified_parts_hold_each_class_share_within_a_row(counts, seed):
    target = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(seed).shuffle(target)
    parts = split(Draw("stratified", 0.2, 0.2, seed), Keys(np.arange(len(target)), target))
    for code, count in enumerate(counts):
        for part in (parts.validation, parts.holdout):
            share = len(part) / len(target)  # a part is whole rows: near 0.2, not 0.2 itself
            assert abs((target[part] == code).sum() - share * count) <= 1 + 1e-9


def test_text_classes_are_strata_too():
    target = np.array(["a", "b"] * 50)
    parts = split(Draw("stratified", 0.2, 0.2, 0), Keys(np.arange(100), target))
    assert (target[parts.holdout] == "a").sum() == 10


def test_another_seed_draws_other_rows_and_the_same_seed_the_same():
    first, again, other = (
        split(Draw("random", 0.2, 0.2, s), Keys(np.arange(100))) for s in (0, 0, 1)
    )
    assert (first.holdout == again.holdout).all()
    assert (first.holdout != other.holdout).any()


def test_too_few_rows_names_the_numbers():
    with pytest.raises(DataError, match=r"5 rows .* hold-out of 1"):
        split(Draw("time", 0.2, 0.2, 0), Keys(np.arange(5)))


@settings(deadline=None, max_examples=60)
@given(counts=st.lists(st.integers(1, 6), min_size=1, max_size=8), seed=st.integers(0, 5))
def test_a_class_of_few_rows_is_trained_and_the_parts_keep_their_sizes(counts, seed):
    target = np.repeat(np.arange(len(counts) + 1), [*counts, 60])
    n = len(target)
    parts = split(Draw("stratified", 0.2, 0.2, seed), Keys(np.arange(n), target))
    assert set(target[parts.train].tolist()) == set(range(len(counts) + 1))
    assert (len(parts.validation), len(parts.holdout)) == (round(n * 0.2), round(n * 0.2))
    together = np.concatenate([parts.train, parts.validation, parts.holdout])
    assert sorted(together.tolist()) == list(range(n))


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(500, 3000),
    more=st.integers(1, 1000),
    by=st.sampled_from(["random", "stratified"]),
    seed=st.integers(0, 2**32),
)
def test_rows_that_are_added_leave_the_others_in_their_parts(n, more, by, seed):
    target = np.random.default_rng(seed).integers(0, 3, n + more)
    before = split(Draw(by, 0.2, 0.2, seed), Keys(np.arange(n), target[:n]))
    after = split(Draw(by, 0.2, 0.2, seed), Keys(np.arange(n + more), target))
    moved = np.intersect1d(before.fitted, after.holdout)
    # A hold-out's edge is a quantile of uniform draws: it moves by chance, not by a share.
    assert len(moved) < 6 * np.sqrt(0.2 * 0.8 * n) * (2 if by == "stratified" else 1)
    gone = np.setdiff1d(np.arange(n), [3, n // 2])
    without = split(Draw(by, 0.2, 0.2, seed), Keys(gone, target[gone]))
    assert len(np.intersect1d(before.fitted, gone[without.holdout])) < 10


def test_by_time_a_part_begins_with_a_moment():
    months = np.repeat(np.arange(24), 50)
    parts = split(Draw("time", 0.2, 0.2, 0), Keys(np.arange(1200), moments=months))
    assert set(months[parts.train]) == set(range(14))
    assert set(months[parts.validation]) == set(range(14, 19))
    assert set(months[parts.holdout]) == set(range(19, 24))


@settings(deadline=None, max_examples=60)
@given(
    moments=st.lists(st.integers(0, 8), min_size=20, max_size=200).map(sorted).map(np.array),
    shares=st.tuples(st.floats(0.15, 0.4), st.floats(0.15, 0.4)),
)
def test_by_time_no_moment_empties_a_part(moments, shares):
    n = len(moments)
    parts = split(Draw("time", *shares, 0), Keys(np.arange(n), moments=moments))
    together = np.concatenate([parts.train, parts.validation, parts.holdout])
    assert together.tolist() == list(range(n))
    assert min(map(len, (parts.train, parts.validation, parts.holdout))) >= 2
