"""The search: what it finds, and that a killed one goes on as if it had not been."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heard import Heard
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.progress import QUIET
from mlops_cli.tuning import open_searcher
from mlops_cli.tuning.base import Outcome, Search, SearchPlan
from mlops_cli.tuning.journal import held
from mlops_cli.tuning.summary import best_of, trials_csv
from searches import PLAN, Falling

objective = Falling


def search(folder: Path, plan: SearchPlan = PLAN, work=objective, progress=QUIET) -> Search:
    return open_searcher().search(plan, work, folder, progress=progress)


def files(found: Search) -> tuple[object, str]:
    return best_of(found, metric="loss", rounds=40), trials_csv(found)


def test_a_search_finds_and_says_what_it_saved(tmp_path):
    found = search(tmp_path)
    best, _ = files(found)
    assert [t.number for t in found.trials] == list(range(14))
    assert best.score == min(t.score for t in found.trials if t.state == "complete")
    assert best.score == pytest.approx(Falling(best.params).advance(40, lambda: None).score)
    assert best.validation == {"loss": best.score}
    assert best.pruned == sum(t.state == "pruned" for t in found.trials) > 0
    assert best.rounds_saved == sum(40 - t.ran for t in found.trials if t.state == "pruned") > 0
    assert best.rounds_run + best.rounds_saved + best.rounds_spared_early == 14 * 40


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_seed_decides(tmp_path, sampler):
    plan = replace(PLAN, sampler=sampler)
    first, again = search(tmp_path / "a", plan), search(tmp_path / "b", plan)
    other = search(tmp_path / "c", replace(plan, seed=4))
    assert files(first) == files(again)
    assert files(first) != files(other)


@pytest.mark.parametrize("pruner", ["hyperband", "median", "none"])
@pytest.mark.parametrize("at", [0, 1, 7, 13])
def test_a_search_that_broke_off_inside_a_trial_goes_on_as_if_it_had_not(tmp_path, at, pruner):
    plan = replace(PLAN, pruner=pruner)
    whole = search(tmp_path / "whole", plan)
    begun = []

    def breaks(params):
        begun.append(params)
        return Falling(params, dies if len(begun) == at + 1 else None)

    def dies(step):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", plan, breaks)
    resumed = search(tmp_path / "cut", plan)
    assert files(resumed) == files(whole)
    assert [t.metrics for t in resumed.trials] == [t.metrics for t in whole.trials]
    assert search(tmp_path / "cut", plan, nothing).resumed == 14


class Looking(Falling):
    """One whose loss depends on where it was stopped to be looked at, as a booster's best round."""

    def __init__(self, params, breaks=None):
        super().__init__(params, breaks)
        self.stops = set()

    def advance(self, rounds, check):
        found = super().advance(rounds, check)
        self.stops.add(rounds)
        loss = found.score + 0.001 * len(self.stops)
        return replace(found, score=loss, metrics=lambda: {"loss": loss})


@pytest.mark.parametrize("rounds", [20, 40])
def test_a_trial_that_is_resumed_past_a_rung_is_looked_at_there_again(tmp_path, rounds):
    plan = replace(PLAN, rounds=rounds)
    whole = search(tmp_path / "whole", plan, Looking)

    def dies(step):
        if step == rounds - 2:  # the first trial that comes past the last rung
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", plan, lambda params: Looking(params, dies))
    resumed = search(tmp_path / "cut", plan, Looking)
    assert [t.score for t in resumed.trials] == [t.score for t in whole.trials]


def nothing(params):
    raise AssertionError("all stands in the journal")


@pytest.mark.parametrize("pruner", ["hyperband", "median", "none"])
def test_how_many_work_and_who_is_faster_changes_nothing(tmp_path, pruner):
    plan = replace(PLAN, trials=34, pruner=pruner)
    alone = search(tmp_path / "alone", plan)
    for workers in (2, 5):
        order = random.Random(workers)

        def dawdles(params, order=order):
            return Falling(params, lambda _: time.sleep(order.random() * 0.002))

        together = search(tmp_path / str(workers), replace(plan, workers=workers), dawdles)
        assert files(together) == files(alone)


def test_trials_go_on_side_by_side(tmp_path):
    meet = threading.Barrier(2, timeout=30)
    search(tmp_path, replace(PLAN, workers=2, trials=2), lambda p: Falling(p, waits(meet)))


def waits(meet):
    return lambda step: meet.wait() if step == 1 else None


def test_an_error_in_one_trial_ends_those_beside_it(tmp_path):
    rounds = []

    def work(params):
        return Falling(params, fails if rounds else endless)

    def endless(step):
        rounds.append(step)
        time.sleep(0.001)

    def fails(step):
        raise MemoryError

    plan = replace(PLAN, workers=2, rounds=10**9, pruner="none")
    with pytest.raises(MemoryError):
        search(tmp_path, plan, work_in_turn(work, rounds))


def work_in_turn(work, rounds):
    """The second trial begins when the first has begun to run."""

    def begins(params):
        if threading.current_thread().name.endswith("_1"):
            while not rounds:
                time.sleep(0.001)
        return work(params)

    return begins


KILLED = """
import os, sys, signal
from dataclasses import replace
from pathlib import Path
from typing import Any
sys.path[:0] = [sys.argv[2], os.path.dirname(sys.argv[2])]
import test_search as t
seen = []
def work(params):
    seen.append(1)
    sixth = len(seen) == 6
    return t.Falling(params, lambda step: sixth and os.kill(os.getpid(), signal.SIGKILL))
t.search(Path(sys.argv[1]), replace(t.PLAN, workers=int(sys.argv[3])), work)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_9_inside_a_trial_costs_what_had_no_end_only(tmp_path, workers):
    here = str(Path(__file__).parent)
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "cut"), here, str(workers)],
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert ran.returncode == -signal.SIGKILL
    resumed = search(tmp_path / "cut")
    assert resumed.resumed > 0
    assert files(resumed) == files(search(tmp_path / "whole"))


def test_a_journal_whose_last_line_was_not_finished_loses_that_line_only(tmp_path):
    whole = search(tmp_path)
    (journal,) = tmp_path.glob("*/journal.jsonl")
    raw = journal.read_bytes()
    journal.write_bytes(raw[:-20])
    resumed = search(tmp_path)
    assert resumed.resumed == 13
    assert files(resumed) == files(whole)
    assert search(tmp_path).resumed == 14


def test_a_fit_stops_where_others_went_on_with_its_trial(tmp_path):
    """What is looked at depends on the stops: a worker that finds a step done goes by them, too."""
    stops: dict[str, list[int]] = {}

    class Stopping(Falling):
        def __init__(self, params: Any) -> None:
            super().__init__(params)
            self.stops = stops.setdefault(str(params), [])

        def advance(self, rounds: int, check: Any) -> Any:
            self.stops.append(rounds)
            return super().advance(rounds, check)

    whole = search(tmp_path, work=Stopping)
    before = {params: list(found) for params, found in stops.items()}
    (journal,) = tmp_path.glob("*/journal.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if json.loads(line)["until"] == 30))
    stops.clear()
    assert files(search(tmp_path, work=Stopping)) == files(whole)
    reached = [params for params, found in before.items() if found[-1] == 40]
    assert reached
    assert all(stops[params] == [10, 30, 40] for params in reached)


def test_more_trials_go_on_from_those_that_are_there(tmp_path):
    search(tmp_path, replace(PLAN, trials=5))
    more = search(tmp_path)
    assert more.resumed >= 2
    assert files(more) == files(search(tmp_path / "whole"))
    fewer = search(tmp_path, replace(PLAN, trials=5))
    assert files(fewer) == files(search(tmp_path / "five", replace(PLAN, trials=5)))


@pytest.mark.parametrize(
    "change", [{"identity": "other data"}, {"seed": 4}, {"rounds": 30}, {"pruner": "none"}]
)
def test_what_scores_depend_on_starts_another_search(tmp_path, change):
    search(tmp_path, replace(PLAN, trials=2))
    assert search(tmp_path, replace(PLAN, trials=2, **change)).resumed == 0


def test_time_that_is_over_starts_no_further_trial_but_the_first(tmp_path):
    found = search(tmp_path, replace(PLAN, seconds=0.0))
    assert len(found.trials) == 1


def test_a_trial_that_cannot_be_is_failed_and_the_search_goes_on(tmp_path):
    def picky(params):
        if params["c"] == "u":
            raise UsageError("u is not to be had")
        return Falling(params)

    found = search(tmp_path, work=picky)
    failed = [t for t in found.trials if t.state == "failed"]
    assert failed
    assert all(t.reason == "u is not to be had" for t in failed)
    assert found.best.params["c"] == "v"


class Broken:
    """A trial whose score is no number."""

    def advance(self, rounds, check):
        return Outcome(float("nan"))


def test_a_score_that_is_no_number_is_a_failed_trial(tmp_path):
    with pytest.raises(UsageError, match=r"all 2 trials failed.*nan"):
        search(tmp_path, replace(PLAN, trials=2), lambda _: Broken())


def test_every_trial_failed_says_why(tmp_path):
    def never(params):
        raise UsageError("solver and penalty do not go together")

    with pytest.raises(UsageError, match="solver and penalty do not go together") as e:
        search(tmp_path, replace(PLAN, trials=3), never)
    assert "tune.space" in (e.value.hint or "")


def test_two_processes_do_not_run_the_same_search(tmp_path):
    search(tmp_path, replace(PLAN, trials=1))
    (folder,) = tmp_path.iterdir()
    with held(folder), pytest.raises(EnvironmentFault, match="another process"):
        search(tmp_path)


def test_progress_tells_trials_best_and_time_left(tmp_path):
    said = []

    class Ear:
        def update(self, message, *, done=0.0, total=None):
            said.append((message, done, total))

        def log(self, message):
            said.append((message, None, None))

    search(tmp_path, replace(PLAN, trials=3), progress=Ear())
    assert [(done, total) for _, done, total in said] == [(1, 3), (2, 3), (3, 3)]
    assert all("best" in message and "s left" in message for message, *_ in said)
    said.clear()
    search(tmp_path, replace(PLAN, trials=4), progress=Ear())
    assert "3 trials of an earlier process" in said[0][0]


BEST_THERE_IS = {"x": 1.0, "k": 10, "c": "v"}


def test_what_is_asked_for_is_tried_first_and_is_another_search(tmp_path):
    plan = replace(PLAN, first=[BEST_THERE_IS, {"x": 0.5, "k": 3, "c": "u"}])
    found = search(tmp_path, plan)
    assert [dict(t.params) for t in found.trials[:2]] == [dict(p) for p in plan.first]
    assert found.best.number == 0
    assert files(search(tmp_path, PLAN)) == files(search(tmp_path / "b", PLAN))
    assert search(tmp_path, plan).resumed == 14


def test_it_ends_where_nothing_more_is_to_be_expected_and_says_so(tmp_path):
    plan = replace(PLAN, trials=60, patience=30, first=[BEST_THERE_IS])
    heard = Heard()
    found = search(tmp_path, plan, progress=heard)
    assert (len(found.trials), found.spared, found.best.number) == (40, 20, 0)
    assert "the last 30 trials found nothing better: 20 more are spared" in heard.lines[-1]
    assert files(search(tmp_path / "two", replace(plan, workers=2))) == files(found)
    on = search(tmp_path, replace(plan, patience=None))
    assert (len(on.trials), on.spared) == (60, 0)
    assert on.resumed == 40


def test_a_search_that_still_gets_better_goes_on(tmp_path):
    class Better(Falling):
        made = 0

        def __init__(self, params):
            super().__init__(params)
            Better.made += 1
            self.floor = 100.0 - Better.made

    found = search(tmp_path, replace(PLAN, trials=60, patience=10), Better)
    assert (len(found.trials), found.spared) == (60, 0)
