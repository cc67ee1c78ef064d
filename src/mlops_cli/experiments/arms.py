"""Which two versions shared the traffic of a time, and which of its rows count for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops_cli.errors import UsageError
from mlops_cli.monitoring.collected.traffic import SHADOW, Selection, Traffic
from mlops_cli.monitoring.windows.grid import Stretch
from mlops_cli.tables.base import Engine, literal

CHAMPION, CANDIDATE = "champion", "candidate"
_SHOWN = 5  # versions in a message


@dataclass(frozen=True, slots=True)
class Arms:
    """Two versions (12 digits), and the rows that count for them.

    `relation` has the columns of the log, `candidate` (boolean: the arm that the row was assigned
    to) and `stratum` (the step of the rollout, 0 where the log does not tell).
    """

    champion: str
    candidate: str
    relation: str

    @property
    def versions(self) -> tuple[str, str]:
        """Champion, candidate."""
        return self.champion, self.candidate


def find_arms(engine: Engine, traffic: Traffic, span: Stretch) -> Arms:
    """The one pair of versions that shared the traffic of `span`.

    Raises `UsageError` where nothing was collected, one arm is empty, or more than two versions
    were compared: what there was, and when, is in the message.
    """
    rows = traffic.predictions(span)
    if rows is None or not engine.rows(f"select 1 from {rows.sql} limit 1"):
        raise UsageError(
            f"the log has no prediction between {_time(span.start)} and {_time(span.end)}",
            hint=_extent(traffic),
        )
    assigned = _assigned(engine, rows)
    seen = engine.rows(
        f"select arm, version, min(time), max(time), count(*) from {assigned} "
        "where arm is not null group by all order by all"
    )
    candidates = _versions(seen, CANDIDATE)
    # A candidate that was promoted in the span goes on as the champion: those rows are of no arm.
    # Where a candidate fails the champion answers for it, and its rows count for the candidate.
    own = [v for v in candidates if v not in _versions(seen, CHAMPION)] or candidates
    champions = [v for v in _versions(seen, CHAMPION) if v not in own]
    _check(span, seen, own, champions)
    both = f"version in ({literal(champions[0])}, {literal(own[0])})"
    promoted = f"arm = '{CHAMPION}' and version = {literal(own[0])}"
    return Arms(
        champion=champions[0],
        candidate=own[0],
        relation=f"(select * exclude (arm), arm = '{CANDIDATE}' as candidate from {assigned} "
        f"where arm is not null and {both} and not ({promoted}))",
    )


def _assigned(engine: Engine, rows: Selection) -> str:
    """The rows with the arm that each was assigned to: by the log itself, or who answered."""
    columns = {name for name, *_ in engine.rows(f"describe select * from {rows.sql}")}
    told = "arm" in columns and engine.rows(
        f"select 1 from {rows.sql} where arm is not null limit 1"
    )
    arm = f"case when variant <> '{SHADOW}' then {'arm' if told else 'variant'} end"
    kept = "* exclude (arm)" if "arm" in columns else "*"
    stratum = "coalesce(step, 0)::integer" if told and "step" in columns else "0"
    return f"(select {kept}, {arm} as arm, {stratum} as stratum from {rows.sql})"


def _versions(seen: Sequence[tuple[Any, ...]], arm: str) -> list[str]:
    return [version for found, version, *_ in seen if found == arm]


def _check(
    span: Stretch,
    seen: Sequence[tuple[Any, ...]],
    candidates: Sequence[str],
    champions: Sequence[str],
) -> None:
    between = f"between {_time(span.start)} and {_time(span.end)}"
    if not candidates:
        raise UsageError(
            f"no candidate answered {between}: only {', '.join(champions[:_SHOWN]) or 'nobody'} "
            "did, so there is nothing to compare",
            hint="`mlops audit` shows when rollouts ran; of a shadow no user saw an answer",
        )
    if not champions:
        raise UsageError(
            f"the champion answered nothing {between}, and {candidates[0]} all of it",
            hint="let --since be the time at which the rollout began",
        )
    if len(candidates) > 1 or len(champions) > 1:
        several, what = (candidates, CANDIDATE) if len(candidates) > 1 else (champions, CHAMPION)
        when = [
            f"{version} from {_time(first)} to {_time(last)}"
            for arm, version, first, last, _ in seen
            if arm == what and version in several
        ]
        raise UsageError(
            f"{len(several)} versions were the {what} {between}: {'; '.join(when[:_SHOWN])}",
            hint="an experiment is of two versions: narrow it with --since and --until",
        )


def _extent(traffic: Traffic) -> str:
    extent = traffic.extent()
    if extent is None:
        return "nothing was collected yet: `mlops collect`"
    return f"what was collected is from {_time(extent.start)} to {_time(extent.end)} (UTC)"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
