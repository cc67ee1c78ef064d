"""The gates, the paired comparison behind `not_worse`, and the decision that they make."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from mlops_cli.config.sections.register import ChampionGate, MetricGate
from mlops_cli.errors import GateError, InconclusiveError
from mlops_cli.evaluation.holdout import scores_of, take_rows
from mlops_cli.evaluation.paired import Comparison, compare
from mlops_cli.governance.decide import refusal
from mlops_cli.governance.decision import (
    Decision,
    GateResult,
    Named,
    Opponent,
    decided_champion,
    write_decision,
)
from mlops_cli.governance.gates import open_gate
from mlops_cli.governance.gates.champion import verdict_of
from mlops_cli.governance.gates.hold_out import Match
from mlops_cli.governance.gates.metric import hold
from paired_models import pair, rmse

A, B = "a" * 64, "b" * 64
NOT_WORSE = ChampionGate(champion="not_worse")


@pytest.mark.parametrize(
    ("gate", "value", "passed"),
    [
        (MetricGate(metric="m", min=0.5), 0.5, True),
        (MetricGate(metric="m", min=0.5), 0.4999, False),
        (MetricGate(metric="m", max=0.5), 0.5, True),
        (MetricGate(metric="m", max=0.0), 0.1, False),
        (MetricGate(metric="m", min=-1.0), -2.0, False),
        (MetricGate(metric="m", min=0.0), math.inf, False),
        (MetricGate(metric="m", max=1.0), math.nan, False),
        (MetricGate(metric="m", max=1.0), None, False),
    ],
)
def test_a_bound_passes_itself_and_nothing_beyond(
    gate: MetricGate, value: float | None, passed: bool
) -> None:
    assert hold(gate, {"m": value}).passed is passed


def test_a_kind_of_gate_that_nobody_handles_is_no_other_gate() -> None:
    with pytest.raises(AssertionError, match="unreachable"):
        open_gate(object())  # type: ignore[arg-type]  # mypy refuses it, too


def test_a_metric_that_is_undefined_decides_nothing() -> None:
    y = np.ones(50)  # one class only
    scores = scores_of((rmse, rmse), y, (y, y), classes=2)
    found = compare(scores, 50, higher_is_better=True, in_time=False)
    gate = verdict_of(NOT_WORSE, "roc_auc", [Match("champion", B, found, 50)])
    assert gate.verdict == "undecided"


def test_a_champion_that_may_have_seen_the_rows_refuses_nobody() -> None:
    worse = compare(
        pair(np.random.default_rng(0), 500, 2.0), 500, higher_is_better=False, in_time=False
    )
    same = compare(pair(np.random.default_rng(0), 500), 500, higher_is_better=False, in_time=False)
    verdicts = [
        verdict_of(NOT_WORSE, "rmse", [Match("champion", B, found, 500, fair)]).verdict
        for found in (worse, same)
        for fair in (True, False)
    ]
    assert verdicts == ["refused", "undecided", "passed", "passed"]


def test_a_flattered_champion_leaves_the_word_to_the_best() -> None:
    worse, same = (Comparison(0.5 + d, 0.5, d, 0.1, 19) for d in (-1.0, 0.0))

    def said(champion: Comparison, best: Comparison, asked: ChampionGate = NOT_WORSE) -> str:
        matches = [Match("champion", A, champion, 9, fair=False), Match("best", B, best, 9)]
        return verdict_of(asked, "m", matches).verdict

    assert (said(worse, same), said(worse, worse), said(same, worse)) == (
        "undecided",
        "refused",
        "refused",
    )
    assert said(worse, same, ChampionGate(champion="better")) == "undecided"


def test_a_decision_names_whom_it_could_not_ask() -> None:
    same = Comparison(0.5, 0.5, 0.0, 0.1, 19)
    gone = Opponent("best", "c" * 64, why="its files are gone")
    made = verdict_of(
        NOT_WORSE, "m", [Match("champion", A, same, 9)], failed=[gone], lost=["d" * 64]
    )
    assert made.verdict == "passed"
    assert "cccccccccccc, recorded as better, cannot be compared: its files are gone" in made.why
    assert "knows no more of the former champions dddddddddddd" in made.why
    assert made.compared[1:] == (gone,)


def test_a_margin_is_of_not_worse_and_above_zero() -> None:
    assert ChampionGate(champion="not_worse", margin=0.1).margin == 0.1
    with pytest.raises(ValidationError, match="belongs to"):
        ChampionGate(champion="better", margin=0.1)
    for bad in (0.0, -0.1, math.inf, math.nan):
        with pytest.raises(ValidationError, match="margin"):
            ChampionGate(champion="not_worse", margin=bad)


def test_the_champions_rows_are_found_by_their_number() -> None:
    numbers = np.array([9, 7])
    shuffled = pa.table({"__row__": [1, 7, 2, 9], "x": [10, 70, 20, 90]}).to_batches(2)
    assert take_rows(shuffled, numbers)["x"].to_pylist() == [90, 70]


def decided(*verdicts: str) -> Decision:
    gates = tuple(GateResult(f"gate {i}", v, f"why {i}") for i, v in enumerate(verdicts))
    passed = set(verdicts) <= {"passed"}
    champion = Named(A if passed else B, 0.5)
    return Decision(passed, A, "roc_auc", gates, Named(B, 0.5), champion=champion)


def test_a_refusal_names_every_gate_and_who_stays() -> None:
    said = refusal(decided("passed", "refused", "undecided"))
    assert isinstance(said, GateError)
    assert ("why 0" in said.message, "why 1" in said.message) == (False, True)
    assert "why 2" in said.message
    assert B[:12] in said.message
    assert isinstance(refusal(decided("passed", "undecided")), InconclusiveError)


def test_the_last_decision_is_found_on_disk_and_in_git(tmp_path: Path) -> None:
    root = tmp_path / "mono" / "project"
    root.mkdir(parents=True)
    assert decided_champion(root) is None
    write_decision(root, decided("passed"))
    assert decided_champion(root) == A
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y"]
    for command in (["init", "-q", ".."], ["add", "."], ["commit", "-qm", "decided"]):
        subprocess.run([*git, *command], cwd=root, check=True)
    (root / "decision.json").unlink()
    assert decided_champion(root) == A
    write_decision(root, decided("refused"))
    assert decided_champion(root) == B
    write_decision(root, msgspec.structs.replace(decided("refused"), champion=None))
    assert decided_champion(root) == B, "who it was compared with is a champion"
