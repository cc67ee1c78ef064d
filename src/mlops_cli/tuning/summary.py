"""A search as the files of `tune/`: no clock in them, so that the same search is the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from mlops_cli.tracking.base import TrialRecord
from mlops_cli.tuning.base import Best, Member, Search, Trial


def best_of(search: Search, *, metric: str, rounds: int) -> Best:
    """The content of `tune/best.json`, of a search whose trials could run `rounds` rounds."""
    best, trials = search.best, search.trials
    counted = [t for t in trials if t.ran is not None]
    stopped = {
        state: sum(rounds - (t.ran or 0) for t in counted if t.state == state)
        for state in ("pruned", "complete")
    }
    return Best(
        metric=metric,
        score=best.score if best.score is not None else float("nan"),
        params=dict(best.params),
        rounds=best.rounds,
        trial=best.number,
        trials=len(trials),
        pruned=sum(t.state == "pruned" for t in trials),
        failed=sum(t.state == "failed" for t in trials),
        rounds_run=sum(t.ran or 0 for t in counted) if counted else None,
        rounds_saved=stopped["pruned"] if counted else None,
        rounds_spared_early=stopped["complete"] if counted else None,
        validation=dict(best.metrics),
    )


def together(searches: Mapping[str, Search], *, greater_is_better: bool) -> tuple[Search, str]:
    """Several estimators' searches as one, and the name of the estimator with the best trial.

    Of one alone it is that one. Of several trials are counted through, and each has its estimator
    among its parameters.
    """
    if len(searches) == 1:
        name, search = next(iter(searches.items()))
        return search, name
    trials: list[Trial] = []
    leaders: dict[str, Trial] = {}
    for name, search in searches.items():
        first = len(trials)
        for t in search.trials:
            params = {"estimator": name, **t.params}
            trials.append(replace(t, number=first + t.number, params=params))
            if t.number == search.best.number:
                leaders[name] = trials[-1]
    sign = -1.0 if greater_is_better else 1.0
    leader = min(leaders, key=lambda name: sign * (leaders[name].score or 0.0))
    counts = (sum(s.resumed for s in searches.values()), sum(s.spared for s in searches.values()))
    return Search(trials, leaders[leader], *counts), leader


def alone(best: Best, estimator: str, own: Best, seed: int) -> Best:
    """`best` of several searches, with the winner's best trial as the only member."""
    member = Member(estimator, own.params, own.rounds, seed, 1.0)
    return msgspec.structs.replace(best, members=[member])


def trials_csv(search: Search) -> str:
    """The content of `tune/trials.csv`: a line a trial, a column a parameter."""
    names = sorted({name for t in search.trials for name in t.params})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["trial", "state", "score", "rounds", "ran", *names])
    for t in search.trials:
        score = "" if t.score is None else repr(t.score)
        writer.writerow(
            [t.number, t.state, score, t.rounds, t.ran, *(t.params.get(n) for n in names)]
        )
    return out.getvalue()


def trial_records(best: Best, found: Search) -> list[TrialRecord]:
    """The trials as runs; one that was pruned has no score, since it was not fitted to its end."""
    return [
        TrialRecord(
            number=t.number,
            state=t.state,
            params=t.params,
            metrics=({best.metric: t.score} if t.score is not None else {})
            | ({"rounds": float(t.ran)} if t.ran is not None else {}),
            began=t.began,
            ended=t.ended,
            reason=t.reason,
        )
        for t in found.trials
    ]
