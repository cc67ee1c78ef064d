"""What both arms have answered, over all servers that there were: a server that ended counts on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mlops_cli.experiments.evidence import ArmStep
from mlops_cli.serving.arms import Tally
from mlops_cli.serving.traffic import CANDIDATE, CHAMPION, Arm


class Seen(msgspec.Struct, frozen=True):
    """What was last seen of the counts of each start of a server, in the rollout of that salt."""

    salt: str
    boots: dict[str, tuple[Tally, ...]] = {}


def read_seen(content: bytes | None, salt: str) -> Seen:
    """What was kept; nothing of another rollout, and nothing where it cannot be read."""
    try:
        found = msgspec.json.decode(content or b"", type=Seen)
    except msgspec.DecodeError:
        return Seen(salt)
    return found if found.salt == salt else Seen(salt)


def add(seen: Seen, counted: Mapping[str, Sequence[Tally]]) -> Seen:
    """With what servers count by now, by their starts; a count never falls."""
    boots = dict(seen.boots)
    for boot, tallies in counted.items():
        if tallies and _requests(tallies) >= _requests(boots.get(boot, ())):
            boots[boot] = tuple(tallies)
    return Seen(seen.salt, boots)


def _requests(tallies: Iterable[Tally]) -> int:
    return sum(t.requests + t.dropped for t in tallies)


def arms(seen: Seen) -> tuple[tuple[ArmStep, ...], tuple[ArmStep, ...]]:
    """Champion's and candidate's, by step, over all servers."""
    every = [tally for tallies in seen.boots.values() for tally in tallies]
    return _steps(every, CHAMPION), _steps(every, CANDIDATE)


def _steps(tallies: Sequence[Tally], arm: Arm) -> tuple[ArmStep, ...]:
    own = [t for t in tallies if t.arm == arm]
    return tuple(
        _sum(step, [t for t in own if t.step == step]) for step in sorted({t.step for t in own})
    )


def _sum(step: int, tallies: Sequence[Tally]) -> ArmStep:
    latency: dict[int, int] = {}
    for tally in tallies:
        for bucket, count in tally.latency.items():
            latency[bucket] = latency.get(bucket, 0) + count
    return ArmStep(
        step,
        requests=sum(t.requests for t in tallies),
        errors=sum(t.errors for t in tallies),
        answered=sum(t.answered for t in tallies),
        sum=sum(t.sum for t in tallies),
        squares=sum(t.squares for t in tallies),
        latency=latency,
        dropped=sum(t.dropped for t in tallies),
    )
