"""`mlops ab` on a collected log: what it reads, compares, decides, refuses and records."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiment_logs import CANDIDATE, CHAMPION, CONFIG, Line, arm_of, experiment, line
from mlops_cli import ab, load_project
from mlops_cli._files import sha256_of
from mlops_cli.audit.log import read_log
from mlops_cli.errors import DataError, MlopsError, UsageError
from mlops_cli.experiments.found import AbResult, LiftFound

Make = Callable[..., Path]
RNG = np.random.default_rng(7)
NOISE = RNG.normal(0, 1, 20_000)
TASTE = RNG.normal(0, 2, 1_000)  # of each customer, before and in the experiment


def look(root: Path, kpi: str = "", **options: Any) -> AbResult:
    file = None
    if kpi:
        file = root / "kpi.csv"
        file.write_text(kpi)
    asked = {"since": "2026-03-01", "until": "2026-03-15"} | options
    return ab(load_project(root), kpi=file, **asked)


def of(found: AbResult, metric: str) -> LiftFound:
    return next(m for m in found.metrics if m.metric == metric)


def spent(lift: float = 0.0, *, before: bool = False) -> str:
    """What each customer spent, and with `before` what it had spent."""
    rows = ["a,spent" + (",spent_before" if before else "")]
    for c in range(300):
        had = 20 + TASTE[c] + 0.3 * NOISE[c + 5000]
        now = 20 + TASTE[c] + 0.3 * NOISE[c] + lift * arm_of(c)
        rows.append(f"{c},{now:.4f}" + (f",{had:.4f}" if before else ""))
    return "\n".join(rows) + "\n"


def test_a_better_candidate_wins_and_the_difference_is_that_of_the_means(root: Path) -> None:
    found = look(root, spent(5.0))
    assert (found.champion, found.unit, found.units, found.mixed) == (CHAMPION, ("a",), 295, 0)
    assert found.primary == "spent"
    assert found.winner == "candidate", found.reasons
    seen = {int(x["inputs"]["a"]) for x in experiment() if x["time"] > "2026-03"}
    values = {int(c): float(v) for c, v in (x.split(",") for x in spent(5.0).split()[1:])}
    arms = [np.array([values[c] for c in seen if arm_of(c) == side]) for side in (False, True)]
    lift = of(found, "spent")
    assert lift.difference == pytest.approx(arms[1].mean() - arms[0].mean())
    assert lift.relative == pytest.approx(arms[1].mean() / arms[0].mean() - 1)
    assert lift.low is not None
    assert lift.high is not None
    assert lift.low < 5 < lift.high
    assert lift.side == "better"
    assert found.share.expected == 0.4
    assert not found.share.mismatch


def test_an_equal_candidate_does_not_win_and_a_worse_one_loses(root: Path) -> None:
    assert look(root, spent()).winner is None
    assert look(root, spent(-5.0)).winner == "champion"


@pytest.mark.parametrize("how", ["a column", "a time"])
def test_what_was_before_narrows_the_interval(root: Path, how: str) -> None:
    plain = of(look(root, spent()), "spent")
    file = spent(before=True)
    if how == "a time":
        rows = [x.split(",") for x in file.split()[1:]]
        file = "a,spent,time\n" + "".join(
            f"{c},{had},2026-02-20T10:00:00\n{c},{now},2026-03-14T22:00:00+00:00\n"
            for c, now, had in rows
        )
    narrow = of(look(root, file), "spent")
    assert narrow.explained is not None
    assert narrow.explained > 0.9
    assert None not in (narrow.high, narrow.low, plain.high, plain.low)
    assert narrow.high - narrow.low < 0.35 * (plain.high - plain.low)  # type: ignore[operator]


def test_kpis_by_request_are_means_of_subjects_and_a_ratio_is_of_two_columns(make: Make) -> None:
    config = CONFIG + "ab: {primary: clicks / views}\n"
    root = make(experiment(), config=config)
    rows = "".join(f"r{i},{i % 3},{2 + i % 4}\n" for i in range(1200))
    found = look(root, "request_id,clicks,views\n" + rows)
    assert [m.kind for m in found.metrics][:3] == ["ratio", "rate", "mean"]
    lift = of(found, "clicks / views")
    mine = [(i, x) for i, x in enumerate(experiment()[300:])]
    for side, arm in ((False, lift.champion), (True, lift.candidate)):
        chosen = [i for i, x in mine if arm_of(x["inputs"]["a"]) == side]
        assert arm.rows == len(chosen)
        assert arm.value == pytest.approx(
            sum(i % 3 for i in chosen) / sum(2 + i % 4 for i in chosen)
        )
    means = of(found, "views")
    assert means.difference is not None
    assert means.champion.value == pytest.approx(3.5, abs=0.1)


def test_kpis_by_event_reach_their_rows(root: Path) -> None:
    rows = "".join(f"o{i},{i % 5}\n" for i in range(1200))
    found = look(root, "order,items\n" + rows)
    assert of(found, "items").champion.rows + of(found, "items").candidate.rows == 1200


def test_labels_are_compared_as_losses_and_outcomes(make: Make) -> None:
    rows = "".join(f"r{i},{i % 10 < 6}\n" for i in range(1200))
    found = look(make(experiment(), outcomes="request_id,label\n" + rows + "nobody,true\n"))
    assert found.primary == "label"
    loss, outcome = of(found, "label"), of(found, "outcome")
    assert loss.champion.value == pytest.approx(np.log(2))
    assert loss.better == "lower"
    assert outcome.champion.rows + outcome.candidate.rows == 1200
    assert outcome.champion.value == pytest.approx(0.6, abs=0.05)


def test_segments_are_corrected_for_each_other(make: Make) -> None:
    root = make(experiment(), config=CONFIG + "ab: {segments: [city], planned: 300}\n")
    found = look(root, spent(1.2))
    both = [(s.column, s.value) for s in found.segments]
    assert both == [("city", "Oslo"), ("city", "Bergen")]
    small = found.segments[1].lift
    whole = of(found, "spent")
    assert None not in (small.high, small.low, whole.high, whole.low)
    assert small.high - small.low > whole.high - whole.low  # type: ignore[operator]


def test_a_guardrail_that_is_breached_takes_the_win(make: Make) -> None:
    guard = "{metric: wait, worse_by: 5%, better: lower}"
    config = CONFIG + f"ab: {{primary: spent, guardrails: [{guard}]}}\n"
    root = make(experiment(), config=config)
    rows = [x.split(",") for x in spent(5.0).split()[1:]]

    def file(slow: float) -> str:
        return "a,spent,wait\n" + "".join(
            f"{c},{v},{10 + 0.2 * NOISE[int(c)] + slow * arm_of(int(c))}\n" for c, v in rows
        )

    breached = look(root, file(2.0))
    assert breached.winner is None
    assert breached.guardrails[0].verdict == "breached"
    assert "breaches wait" in breached.reasons[-1]
    held = look(root, file(0.0))
    assert held.winner == "candidate"
    assert held.guardrails[0].verdict == "held"


def test_arms_that_are_not_as_told_have_no_winner(make: Make) -> None:
    root = make(experiment(), config=CONFIG.replace("[40]", "[15]"))
    found = look(root, spent(5.0))
    assert found.share.mismatch
    assert found.winner is None
    assert "40.00% of the units met the candidate, and 15.00% were to" in found.reasons[0]


def test_what_is_missing_in_one_arm_more_has_no_winner(make: Make) -> None:
    root = make(experiment(), config=CONFIG + "ab: {planned: 300}\n")
    rows = spent(5.0).split()
    some = [
        x for x in rows[1:] if not arm_of(int(x.split(",")[0])) or int(x.split(",")[0]) % 3 == 0
    ]
    found = look(root, "\n".join([rows[0], *some]) + "\n")
    assert found.winner is None
    assert "missing in one arm more" in found.reasons[0]


def test_a_unit_that_met_both_arms_is_left_out(make: Make) -> None:
    lines = experiment()
    for x in lines[-12:]:
        x["variant"] = "candidate" if x["variant"] == "champion" else "champion"
        x["version"] = CANDIDATE if x["version"] == CHAMPION else CHAMPION
    found = look(make(lines), spent(5.0))
    assert found.mixed > 5
    assert found.winner is None
    assert "met both arms" in found.reasons[0]


def test_without_sticky_each_request_is_a_unit(make: Make) -> None:
    root = make(experiment(), config=CONFIG.replace("sticky: [a]", "sticky: []"))
    rows = "".join(f"r{i},{NOISE[i] + 3:.3f}\n" for i in range(1200))
    found = look(root, "request_id,spent\n" + rows)
    assert (found.unit, found.units) == ((), 1200)
    assert of(found, "error_rate").kind == "rate"
    assert of(found, "error_rate").high is not None  # no error came: the interval has a width


def test_it_is_recorded_once_for_the_same_data(root: Path) -> None:
    look(root, spent(5.0))
    first = [e for e in read_log(root).entries.values() if e.action == "ab"]
    assert [e.subject["winner"] for e in first] == ["candidate"]
    assert first[0].evidence["result"] == sha256_of(root / "reports/ab.json")
    assert first[0].evidence["kpi"] == sha256_of(root / "kpi.csv")
    look(root, spent(5.0))
    assert len([e for e in read_log(root).entries.values() if e.action == "ab"]) == 1
    look(root, spent(4.0))
    assert len([e for e in read_log(root).entries.values() if e.action == "ab"]) == 2


def test_times_may_have_a_zone(root: Path) -> None:
    here = look(root, spent())
    there = look(
        root, spent(), since="2026-03-01T02:00:00+02:00", until="2026-03-14T19:00:00-05:00"
    )
    assert there.until - here.until == timedelta(0)
    assert there.metrics == here.metrics


@pytest.mark.parametrize(
    ("text", "says", "error"),
    [
        ("a,spent\n1,2\n1,3\n", "rows 1 and 2 are both of a 1", DataError),
        ("a,spent\n1,2\n,3\n", "row 2: `a` is missing", DataError),
        ("a,spent\n1,2\n2,much\n", "row 2: `spent` is 'much'", DataError),
        ("a,spent\n1,2\n2,inf\n", "row 2: `spent` is 'inf'", DataError),
        ("a,spent\nx1,2\nx2,3\n", "none of its 2 rows is of a unit", DataError),
        ("customer,spent\n1,2\n", "names no unit: it has no `request_id`", DataError),
        ("a\n1\n", "no column beside its keys", DataError),
        ("a,spent,time\n1,2,soon\n", "row 1: `time` is 'soon'", DataError),
        ("a,label\n1,2\n", "`label` is a metric of the log", DataError),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    root: Path, text: str, says: str, error: type[MlopsError]
) -> None:
    with pytest.raises(error) as e:
        look(root, text)
    assert says in e.value.message
    assert not (root / "reports/ab.json").exists()


def test_units_of_the_file_that_the_log_has_not_are_told(root: Path) -> None:
    found = look(root, spent(5.0) + "x1,4\nx2,5\n")
    assert "2 of 302 rows of kpi.csv are of no unit here" in found.remarks
    assert found.winner == "candidate"


def _promoted(lines: list[Line]) -> list[Line]:
    return [x for x in lines if x["variant"] == "candidate"]


def test_one_arm_or_none_is_refused_with_what_there_is(make: Make, root: Path) -> None:
    with pytest.raises(UsageError, match="no prediction between 2027") as e:
        look(root, since="2027-01-01", until="2027-02-01")
    assert e.value.hint is not None
    assert "2026-02-01 08:00 to 2026-03-14" in e.value.hint
    with pytest.raises(UsageError, match="no candidate answered between 2026-02-01"):
        look(root, since="2026-02-01", until="2026-03-01")
    with pytest.raises(UsageError, match="is not before --until"):
        look(root, since="2026-03-20")
    with pytest.raises(UsageError, match="--since 'monday' is no time"):
        look(root, since="monday")


def test_a_champion_that_answered_nothing_is_told(make: Make) -> None:
    with pytest.raises(UsageError, match="the champion answered nothing"):
        look(make(_promoted(experiment())))


def test_a_second_candidate_is_told_with_its_time(make: Make) -> None:
    lines = experiment()
    other = [line("2026-03-12T05:00:00Z", 90_000 + i, i, candidate=True) for i in range(3)]
    lines += [x | {"version": "c" * 12} for x in other]
    with pytest.raises(UsageError, match="2 versions were the candidate") as e:
        look(make(lines))
    assert "cccccccccccc from 2026-03-12 05:00" in e.value.message


def test_a_candidate_that_was_promoted_counts_until_then(make: Make) -> None:
    lines = experiment()
    after = [line("2026-03-14T23:00:00Z", 80_000 + i, i, candidate=True) for i in range(300)]
    lines += [x | {"variant": "champion"} for x in after]
    found = look(make(lines), spent(5.0))
    assert (found.units, found.mixed, found.winner) == (295, 0, "candidate")


def test_arms_are_those_that_a_row_was_assigned_to(make: Make) -> None:
    lines = []
    for x in experiment():
        arm = x["variant"]
        told = {"rollout": "salt", "step": int(x["request_id"] > "r6"), "arm": arm}
        if x["time"] < "2026-03":
            lines.append(x)
        elif arm == "candidate" and x["request_id"].endswith("7"):  # it failed
            lines.append(x | told | {"prediction": None, "error": "ValueError"})
            lines.append(x | {"variant": "champion", "version": CHAMPION})
        else:
            lines.append(x | told)
    found = look(make(lines), spent(5.0))
    errors = of(found, "error_rate")
    assert errors.champion.value == 0.0
    assert errors.candidate.value == pytest.approx(0.1, abs=0.05)
    assert errors.side == "worse"
    assert (found.mixed, found.winner) == (0, None)
    assert found.guardrails[0].verdict == "breached"
    assert found.share.expected == 0.4
    assert not found.share.mismatch


def test_of_a_shadow_nobody_saw_an_answer(make: Make) -> None:
    lines = [x for x in experiment() if x["variant"] == "champion"]
    lines += [x | {"variant": "shadow", "version": CANDIDATE} for x in lines]
    with pytest.raises(UsageError, match="no candidate answered") as e:
        look(make(lines))
    assert e.value.hint is not None
    assert "of a shadow no user saw an answer" in e.value.hint


def test_without_a_log_and_without_the_file_it_is_told(make: Make) -> None:
    root = make([], config=CONFIG + "ab: {primary: spent}\n")
    with pytest.raises(UsageError, match="names spent, which the log does not have"):
        look(root)
    with pytest.raises(UsageError, match="no prediction between"):
        look(root, spent())


def test_the_report_is_the_result(root: Path) -> None:
    found = look(root, spent(5.0))
    told = json.loads((root / found.data).read_text())
    assert told["winner"] == "candidate"
    assert told["metrics"][0]["metric"] == "spent"
