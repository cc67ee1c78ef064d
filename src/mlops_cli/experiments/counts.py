"""What both arms have answered, over all servers that there were: a server that ended counts on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mlops_cli.experiments.evidence import ArmStep, together
from mlops_cli.serving.rollouts.arms import Tally
from mlops_cli.serving.rollouts.traffic import CANDIDATE, CHAMPION, Arm


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
    own = [_step(t) for t in tallies if t.arm == arm]
    return tuple(
        together([s for s in own if s.step == step]) for step in sorted({s.step for s in own})
    )


def _step(tally: Tally) -> ArmStep:
    return ArmStep(
        tally.step,
        requests=tally.requests,
        errors=tally.errors,
        answered=tally.answered,
        sum=tally.sum,
        squares=tally.squares,
        latency=tally.latency,
        dropped=tally.dropped,
        quicker=tally.quicker,
    )
