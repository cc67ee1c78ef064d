"""The port of a cluster in this process: tasks and parcels go through pickle, in any order."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mlops_cli.tables.cluster import Parcel, T, checked, guarded, guarded_merge


class OneProcess:
    """Every task twice, as where a worker was lost; what the first try sent is thrown away."""

    slots = 3

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def __enter__(self) -> OneProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def made(self, items: Sequence[T], work: Callable[[T], Iterable[Parcel]]) -> list[Parcel]:
        tried = [self._tried(guarded, work, place, item) for place, item in enumerate(items)]
        return [parcel for made in tried for parcel in made]

    def together(self, *parcels: list[Parcel]) -> list[Parcel]:
        return [parcel for some in parcels for parcel in some]

    def merged(
        self, parcels: list[Parcel], work: Callable[[int, list[bytes]], Iterable[Parcel]]
    ) -> list[Parcel]:
        self._random.shuffle(parcels)
        groups: dict[int, list[bytes]] = {}
        for number, content in parcels:
            groups.setdefault(number, []).append(content)
        numbered = [self._tried(guarded_merge, work, n, found) for n, found in groups.items()]
        return [parcel for made in numbered for parcel in made]

    def collected(self, parcels: list[Parcel]) -> list[Parcel]:
        return checked(parcels)

    def _tried(self, run: Any, *given: Any) -> list[Parcel]:
        sent = pickle.dumps((run, given))
        for _ in range(2):
            work, taken = pickle.loads(sent)
            made = list(work(*taken))
        return made
