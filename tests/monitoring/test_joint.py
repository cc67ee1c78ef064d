"""Rows of a window held to others as a whole: units, texts, and when nothing is said."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlops_cli.bundle.manifest import Input
from mlops_cli.bundle.profile import ColumnProfile
from mlops_cli.monitoring.drift.profile import profile_of
from mlops_cli.monitoring.joint.whole_rows import find_joint

KINDS = ("a", "b", "c")
INPUTS = [
    Input("x", "float", True, None, "event"),
    Input("kind", "text", True, None, "event"),
    Input("z", "float", True, None, "event"),
]
ALPHA = 1 / 30


def drawn(
    rng: np.random.Generator, subjects: int, each: int, *, apart: bool = False, named: bool = True
) -> pa.Table:
    """Rows of subjects, who keep their kind and much of `z`; `x` goes with kind, but for `apart`.

    A share of `x` is the subject's own, too.
    """
    of = np.repeat(rng.integers(0, 10**9, subjects), each)
    kind = np.repeat(rng.integers(0, 3, subjects), each)
    own = np.repeat(rng.normal(size=(subjects, 2)), each, axis=0)
    noise = rng.normal(size=(len(of), 2))
    shown = np.repeat(rng.integers(0, 3, subjects), each) if apart else kind
    x = 2.0 * shown + 0.5 * own[:, 0] + noise[:, 0]
    x[rng.random(len(x)) < 0.05] = np.nan
    return pa.table(
        {
            "x": pa.array(x, mask=np.isnan(x)),
            "kind": pa.array([KINDS[k] for k in kind]),
            "z": own[:, 1] + 0.3 * noise[:, 1],
            "__unit__": pa.array([str(u) for u in of] if named else [None] * len(of), pa.string()),
        }
    )


def columns_of(table: pa.Table) -> tuple[ColumnProfile, ...]:
    return profile_of(table, inputs=INPUTS, features=[]).columns


def test_a_text_and_a_number_that_part_are_named() -> None:
    rng = np.random.default_rng(1)
    before, after = drawn(rng, 3_000, 1), drawn(rng, 1_000, 1, apart=True)
    found = find_joint(before, after, columns_of(before), ALPHA)
    assert found is not None
    assert found.drifted
    assert {c.name for c in found.columns} == {"x", "kind"}
    assert sum(c.share for c in found.columns) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_subjects_of_many_rows_are_no_drift(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = drawn(rng, 250, 20), drawn(rng, 150, 20)
    found = find_joint(before, after, columns_of(before), ALPHA)
    assert found is not None
    assert not found.drifted
    assert found.rows < 250 + 150  # one of each subject, of the half that judges


@pytest.mark.parametrize("seed", range(3))
def test_known_subjects_that_come_again_are_no_drift(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = drawn(rng, 400, 10)
    after = before.take(rng.choice(before.num_rows, 2_000, replace=False))
    found = find_joint(before, after, columns_of(before), ALPHA)
    assert found is not None
    assert not found.drifted


def test_of_a_handful_of_subjects_nothing_is_said() -> None:
    rng = np.random.default_rng(5)
    before, after = drawn(rng, 2_000, 1), drawn(rng, 50, 40)
    assert find_joint(before, after, columns_of(before), ALPHA) is None
    alone = drawn(rng, 50, 40, named=False)  # then each row is by itself
    assert find_joint(before, alone, columns_of(before), ALPHA) is not None


def test_one_column_has_nothing_to_go_together_with() -> None:
    rng = np.random.default_rng(6)
    before = drawn(rng, 500, 1)
    assert find_joint(before, before, columns_of(before)[:1], ALPHA) is None


def test_what_is_not_finite_is_missing() -> None:
    rng = np.random.default_rng(7)
    before, after = drawn(rng, 1_000, 1), drawn(rng, 500, 1)
    wild = np.asarray(after["z"]).copy()
    wild[:3] = np.inf, -np.inf, 1e300
    after = after.set_column(2, "z", pa.array(wild))
    found = find_joint(before, after, columns_of(before), ALPHA)
    assert found is not None
    assert not found.drifted
