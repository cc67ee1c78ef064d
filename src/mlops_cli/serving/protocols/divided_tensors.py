"""The rows of a request of the Open Inference Protocol, as a rollout divides them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlops_cli.serving.entry import Entry
from mlops_cli.serving.log import PredictionLog
from mlops_cli.serving.predictions import VALUE, shape_of
from mlops_cli.serving.protocols.open_inference import CHUNK, Output, infer, missing, outputs
from mlops_cli.serving.protocols.tensors import Column
from mlops_cli.serving.requests import Event, RequestError
from mlops_cli.serving.routes import Request
from mlops_cli.serving.served import Served, Version
from mlops_cli.serving.split import Asked, Divided, Told
from mlops_cli.serving.versions import Versions

VERSIONS = "versions"  # the parameter of an answer that names each row's version, where they differ


class Columns:
    """See `Rows`: answers are tensors, each row's by the threshold of the version that made it."""

    def __init__(self, columns: Sequence[Column], count: int) -> None:
        self._columns = columns
        self.count = count

    def body(self, place: int) -> Event:
        """See `Rows.body`."""
        return {column.name: column.values[place] for column in self._columns}

    async def here(
        self, served: Served, entry: Entry | None, places: Sequence[int]
    ) -> list[Output]:
        """See `Rows.here`."""
        manifest = served.bundle.manifest
        if len(places) == self.count:
            return outputs(manifest, await infer(served, self._columns, self.count, entry))
        columns = [Column(c.name, [c.values[place] for place in places]) for c in self._columns]
        try:
            return outputs(manifest, await infer(served, columns, len(places), entry))
        except RequestError as e:
            if e.row is not None:
                e.row = places[e.row]
            raise

    def asked(self, places: Sequence[int]) -> list[Asked]:
        """See `Rows.asked`."""
        events = [self.body(place) for place in places]
        return [Asked(0, events=events[at : at + CHUNK]) for at in range(0, len(events), CHUNK)]

    def there(self, version: Version, told: Sequence[Told]) -> list[Output]:
        """See `Rows.there`."""
        manifest = version.bundle.manifest
        numbers = np.frombuffer(b"".join([one.numbers for one in told]))
        return outputs(manifest, numbers.reshape(-1, *shape_of(manifest)))

    def logged(self, version: Version, places: Sequence[int]) -> tuple[list[Event], list[bytes]]:
        """See `Rows.logged`."""
        known = {i.name for i in version.bundle.manifest.inputs}
        names = [column.name for column in self._columns if column.name in known]
        events = ({name: event[name] for name in names} for event in map(self.body, places))
        return list(events), []

    def mean(self, served: Version, said: list[Output]) -> float | None:
        """See `Rows.mean`."""
        del served
        numbers = [o.elements for o in said if o.name in ("probability", VALUE[0])]
        return float(np.mean(numbers[0])) if numbers else None

    def merged(self, parts: Sequence[tuple[Sequence[int], list[Output]]]) -> list[Output]:
        """See `Rows.merged`; what a row's version does not answer is missing."""
        if len(parts) == 1:
            return parts[0][1]
        known = {output.name: output for _, said in parts for output in said}
        return [self._merged(output, parts) for output in known.values()]

    def _merged(self, like: Output, parts: Sequence[tuple[Sequence[int], list[Output]]]) -> Output:
        shape, width = (self.count, *like.shape[1:]), math.prod(like.shape[1:])
        elements = missing(like.name, shape).elements
        for places, said in parts:
            own = [output.elements for output in said if output.name == like.name]
            for at, place in enumerate(places if own else ()):
                row = own[0][at * width : (at + 1) * width]
                elements[place * width : (place + 1) * width] = row
        return Output(like.name, like.datatype, shape, elements)


async def answered(
    versions: Versions,
    log: PredictionLog | None,
    version: str | None,
    request: Request,
    columns: Sequence[Column],
    rows: int,
) -> Divided[list[Output]]:
    """The answers to rows by column, by `version`, or whoever the rows meet.

    Raises `RequestError`.
    """
    columns = await _completed(versions, version, columns, rows)
    if versions.split is not None:
        divided = await versions.split.answer(request, Columns(columns, rows), version)
        if divided is not None:
            return divided
    served = versions.find(None, version)
    entry = None
    if log is not None:
        entry = log.begin(served.bundle, request.id, request.key, served.variant)
        request.entry = entry
    raw = await infer(served, columns, rows, entry)
    return Divided(served, outputs(served.bundle.manifest, raw))


async def _completed(
    versions: Versions, version: str | None, columns: Sequence[Column], rows: int
) -> Sequence[Column]:
    """The columns with those that are looked up; see `Versions.completed`."""
    online = versions.loaded.get(version or "", versions.default).online
    if online is None:
        return columns
    of = Columns(columns, rows)
    events = await online.events([of.body(place) for place in range(rows)])
    names = dict.fromkeys(name for event in events for name in event)
    return [Column(name, [event.get(name) for event in events]) for name in names]
