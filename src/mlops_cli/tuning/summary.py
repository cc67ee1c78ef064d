"""A search as the files of `tune/`: no clock in them, so that the same search is the same bytes."""

from __future__ import annotations

import csv
import io

from mlops_cli.tracking.base import TrialRecord
from mlops_cli.tuning.base import Best, Search


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
