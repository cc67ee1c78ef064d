"""Lifts beside statsmodels on fixed samples, and 2,000 experiments that are looked at each day.

The numbers of statsmodels 0.15.0 stand here: it cannot be beside the core in one environment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student

from mlops_cli.experiments.ab import holm
from mlops_cli.experiments.lift import Levels, Sample, chance, difference, levels, relative

Array = NDArray[np.float64]
AT = np.arange(400)
ARM = AT * 7919 % 100 < 30
X = np.sin(AT) * 3 + AT % 7
Y = 10 + X + 0.5 * np.cos(AT * AT) * 4 + 0.8 * ARM
SIZE = 1.0 + AT * AT % 11


def sample(arm: Any, top: Any, bottom: Any = None, before: Any = None, **more: Any) -> Sample:
    n = len(arm)
    ones = np.ones(n)
    return Sample(
        candidate=arm,
        top=top,
        bottom=ones if bottom is None else bottom,
        before=np.zeros((n, 0)) if before is None else before,
        rows=ones if bottom is None else bottom,
        stratum=more.get("stratum", np.zeros(n, np.int64)),
        subject=more.get("subject", np.arange(n)),
    )


def known(found: Levels | None) -> Levels:
    assert found is not None
    return found


def test_a_mean_is_that_of_welch() -> None:
    """`CompareMeans(...).tconfint_diff(usevar="unequal")` and `dof_satt()`."""
    found = known(levels(sample(ARM, Y)))
    half = student.ppf(0.975, found.freedom) * found.error
    assert found.freedom == pytest.approx(211.40909681097185)
    assert found.difference - half == pytest.approx(0.2414161945460146)
    assert found.difference + half == pytest.approx(1.6364438647896633)


def test_cuped_is_the_coefficient_of_the_arm_beside_what_was_before() -> None:
    """`OLS(y, [1, arm, x]).fit(cov_type="HC3")`."""
    found = known(levels(sample(ARM, Y, before=X[:, None])))
    assert found.difference == pytest.approx(0.9526210724318647)
    assert found.error == pytest.approx(0.15975662023525322, rel=0.01)
    assert found.explained == pytest.approx(0.799, abs=0.001)


def test_a_ratio_is_that_of_rows_clustered_by_unit() -> None:
    """`OLS(v, [1, arm]).fit(cov_type="cluster", cov_kwds={"groups": who})`."""
    who = np.repeat(AT, SIZE.astype(int))
    rows = Y[who] + np.sin(np.arange(len(who)) ** 2)
    found = known(levels(sample(ARM, np.bincount(who, rows), SIZE)))
    assert found.difference == pytest.approx(1.0274358219283277)
    assert found.error == pytest.approx(0.4046110371839341, rel=0.01)


def test_a_rate_is_near_that_of_agresti_and_caffo() -> None:
    """`confint_proportions_2indep(18, 300, 30, 320, method="agresti-caffo")`."""
    arm = np.repeat([False, True], [320, 300])
    hits = np.concatenate([np.arange(320) < 30, np.arange(300) < 18]) * 1.0
    found = known(levels(sample(arm, hits)))
    ends = [found.difference + sign * 1.959964 * found.error for sign in (-1, 1)]
    assert ends == pytest.approx([-0.07564279834472894, 0.008924029063333686], abs=5e-4)
    none = known(levels(sample(arm, hits * 0)))  # no hit at all is no certainty
    assert 1 / 320 < none.error < 3 / 320


def test_a_share_of_the_traffic_that_changed_moves_nothing() -> None:
    """Simpson: later units have twice the level, and met the candidate more often."""
    rng = np.random.default_rng(0)
    n = 4000
    late = np.arange(n) >= n // 2
    arm = rng.random(n) < np.where(late, 0.5, 0.05)
    values = rng.normal(np.where(late, 20.0, 10.0), 1.0)
    pooled = known(levels(sample(arm, values)))
    within = known(levels(sample(arm, values, stratum=late.astype(np.int64))))
    assert pooled.difference > 2
    assert abs(within.difference) < 4 * within.error < 0.3


def test_the_relative_lift_has_no_end_where_the_champion_may_be_at_zero() -> None:
    found = known(levels(sample(ARM, Y - Y.mean())))
    assert relative(found, 400).low is None
    sure = known(levels(sample(ARM, Y)))
    by = relative(sure, 400)
    assert by.value == pytest.approx(0.07264279984, rel=1e-4)
    assert by.low is not None
    assert by.high is not None
    assert by.low < by.value < by.high  # type: ignore[operator]
    turned = relative(known(levels(sample(ARM, -Y))), 400)
    assert turned.low == pytest.approx(-by.high)


def test_few_units_or_none_that_vary_have_no_lift() -> None:
    assert levels(sample(ARM[:60], Y[:60])) is None
    assert levels(sample(ARM, np.full(400, 2.5))) is None


def test_holm() -> None:
    """`multipletests([.01, .04, .03, .005], method="holm")`."""
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])


UNITS, DAYS, EXPERIMENTS = 2000, 14, 2000
ENDS = np.linspace(UNITS / DAYS, UNITS, DAYS).astype(int)
Day = tuple[Sample, float]  # with the true difference
World = Callable[[np.random.Generator], Iterator[Day]]


def _units(share: float, draw: Callable[..., Array], lift: float) -> World:
    """Units that come one by one."""

    def world(rng: np.random.Generator) -> Iterator[Day]:
        arm = rng.random(UNITS) < share
        values = draw(rng, UNITS) + lift * arm
        for end in ENDS:
            yield sample(arm[:end], values[:end]), lift

    return world


def _cuped(rng: np.random.Generator) -> Iterator[Day]:
    arm = rng.random(UNITS) < 0.5
    taste = rng.normal(0, 1, UNITS)
    before = (taste + rng.normal(0, 0.3, UNITS))[:, None]
    values = 1 + taste + rng.normal(0, 0.6, UNITS) + 0.1 * arm
    for end in ENDS:
        yield sample(arm[:end], values[:end], before=before[:end]), 0.1


def _ratio(rng: np.random.Generator) -> Iterator[Day]:
    """Clicks by views: both differ by unit, and no two views of one are independent."""
    arm = rng.random(UNITS) < 0.5
    views = rng.poisson(3, UNITS) + 1.0
    clicks = rng.binomial(views.astype(int), rng.beta(2, 18, UNITS)) * 1.0
    for end in ENDS:
        found = sample(arm[:end], clicks[:end], views[:end])
        yield found, 0.0


def _heavy(share: float, *, cuped: bool = False) -> World:
    """400 subjects come back again and again; a few of them are a twentieth of all requests."""

    def world(rng: np.random.Generator) -> Iterator[Day]:
        n = 400
        weight = rng.pareto(1.3, n) + 0.1
        weight = np.minimum(weight / weight.sum(), 0.05)
        arm, taste = rng.random(n) < share, rng.normal(0, 1, n)
        who = rng.choice(n, UNITS, p=weight / weight.sum())
        values = 5 + taste[who] + rng.normal(0, 1, UNITS) + 0.2 * arm[who]
        times = rng.poisson(weight / weight.sum() * UNITS)
        before = (times * taste + np.sqrt(times) * rng.normal(0, 1, n))[:, None]
        for end in ENDS:
            sizes = np.bincount(who[:end], minlength=n) * 1.0
            sums = np.bincount(who[:end], values[:end], minlength=n)
            came = sizes > 0
            had = before[came] if cuped else None
            yield sample(arm[came], sums[came], sizes[came], had), 0.2

    return world


def _rate(share: float) -> Callable[..., Array]:
    return lambda rng, n: (rng.random(n) < share) * 1.0


WORLDS: dict[str, World] = {
    "mean": _units(0.5, lambda rng, n: rng.normal(1, 1, n), 0.1),
    "skewed mean": _units(0.5, lambda rng, n: rng.lognormal(0, 1, n), 0.1),
    "rate of a fifth": _units(0.5, _rate(0.2), 0.0),
    "rate of 2 %": _units(0.5, _rate(0.02), 0.0),
    "cuped": _cuped,
    "ratio": _ratio,
    "heavy subjects": _heavy(0.5),
    "heavy subjects, three in ten": _heavy(0.3),
    "heavy subjects with cuped": _heavy(0.5, cuped=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_2000_experiments_that_are_looked_at_each_day(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    rng = np.random.default_rng(20)
    planned = 4.0 * UNITS if name == "ratio" else float(UNITS)
    missed, fixed, by_chance = np.zeros((3, EXPERIMENTS), bool)
    wide = np.zeros(EXPERIMENTS)
    for k in range(EXPERIMENTS):
        for units, true in WORLDS[name](rng):
            found = levels(units)
            if found is None:
                continue
            by = difference(found, planned)
            if by.low is None or by.high is None:
                continue
            missed[k] |= not by.low <= true <= by.high
            one_look = student.ppf(0.975, found.freedom) * found.error
            fixed[k] |= abs(found.difference - true) > one_look
            by_chance[k] |= true == 0 and chance(found, planned) <= 0.05
            wide[k] = (by.high - by.low) / (2 * one_look)
    said = f"held {1 - missed.mean():.2%}, of one look {1 - fixed.mean():.1%}, {wide.mean():.3f}"
    record_property(name, said)
    assert missed.mean() <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / EXPERIMENTS)
    assert wide.mean() <= 1.6
    assert np.all(missed[by_chance])  # the p-value says what the interval says
    assert all(a < b for a, b in pairwise((missed.mean(), fixed.mean())))
