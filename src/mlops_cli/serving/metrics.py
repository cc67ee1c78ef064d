"""What the service counts, over all of its workers, for Prometheus."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mlops_cli.serving.board import OVERFLOW, Block, Board

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
# Seconds; 0.2 stands among them because the default alert is at 200 ms.
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# Gauges of a block; the last two are generations of the roster: followed, and not to be followed.
IN_FLIGHT, CONNECTIONS, APPLIED, FAILED = range(4)
NONE = "none"  # the version of what was asked of none
OTHER = "other"  # the version of all that are no longer loaded

_REQUESTS, _SECONDS, _PREDICTIONS = (
    "mlops_requests_total",
    "mlops_request_seconds",
    "mlops_predictions_total",
)
_LINES = "mlops_log_lines_total"
_HITS, _LOOKUPS = "mlops_cache_hits_total", "mlops_cache_lookups_total"
_ONLINE = "mlops_online_lookups_total"
_COUNTERS = {
    _REQUESTS: "What was asked of the models, by the status of its answer; 499: the client left",
    _PREDICTIONS: "Predictions answered",
    _LINES: "Lines of the prediction log that were written, or were not or no longer kept",
    _LOOKUPS: "Events whose prediction was looked for in the cache",
    _HITS: "Events whose prediction the cache had",
    _ONLINE: "Events whose features were looked up in the online store, by what came of it",
    OVERFLOW: "What was counted where there was no room for another series",
}
_GAUGES = {
    "mlops_requests_in_flight": ("Requests read and not yet answered", IN_FLIGHT),
    "mlops_connections": ("Open connections", CONNECTIONS),
}
_NANOSECONDS = 1e9
_VERSION = re.compile(r'version="([^"]*)"')


class Metrics:
    """What one worker counts, in its block of `board`; `exposition` is the sum over all."""

    def __init__(self, board: Board | None = None, writer: int = 0) -> None:
        self._block = Block(board or Board(), writer)
        self._words = self._block.words
        self._gauges = self._block.gauges
        cell = self._block.cell
        limits = [*map(str, BUCKETS), "+Inf"]
        self._buckets = [cell(f'{_SECONDS}_bucket{{le="{limit}"}}') for limit in limits]
        self._seconds = cell(f"{_SECONDS}_sum")
        self._predictions = cell(_PREDICTIONS)
        self._requests: dict[tuple[int, str, str], int] = {}
        self._lines: tuple[int, int] | None = None
        self.workers = self._block.board.writers

    def count(self, status: int, variant: str = NONE, version: str = NONE) -> None:
        """Count one request by its HTTP status, and by the version that was asked."""
        key = status, variant, version
        cell = self._requests.get(key)
        if cell is None:
            labels = f'code="{status}",variant="{variant}",version="{version}"'
            cell = self._requests[key] = self._block.cell(f"{_REQUESTS}{{{labels}}}")
        self._words[cell] += 1

    def answered(
        self, status: int, seconds: float, predictions: int, variant: str, version: str
    ) -> None:
        """Count one request with its HTTP status, duration and predictions."""
        self.count(status, variant, version)
        words = self._words
        words[self._buckets[bisect_left(BUCKETS, seconds)]] += 1
        words[self._seconds] += int(seconds * _NANOSECONDS)
        words[self._predictions] += predictions

    def logged(self, written: int, dropped: int) -> None:
        """Count lines of the prediction log."""
        if self._lines is None:
            written_cell, dropped_cell = (
                self._block.cell(f'{_LINES}{{outcome="{outcome}"}}')
                for outcome in ("written", "dropped")
            )
            self._lines = written_cell, dropped_cell
        self._words[self._lines[0]] += written
        self._words[self._lines[1]] += dropped

    def looked_up(self, hits: int, lookups: int) -> None:
        """Count what the cache was asked, and what of it it had."""
        self._words[self._block.cell(_HITS)] += hits
        self._words[self._block.cell(_LOOKUPS)] += lookups

    def looked_up_online(self, outcome: str, events: int) -> None:
        """Count events whose features were looked up: answered, expired, or unavailable."""
        if events:
            self._words[self._block.cell(f'{_ONLINE}{{outcome="{outcome}"}}')] += events

    def show(self, gauge: int, number: int) -> None:
        """Show this worker's present number."""
        self._words[self._gauges + gauge] = number

    def everywhere(self, gauge: int) -> int:
        """The present number of all workers together."""
        return self._block.board.gauge(gauge)

    def least(self, gauge: int) -> int:
        """The smallest of the workers' present numbers."""
        return min(self._block.board.each(gauge))

    def followed(self, generation: int) -> bool:
        """Whether every worker has followed the roster so far, or could not."""
        return all(
            generation in (applied, failed) or applied > generation
            for applied, failed in zip(*map(self._block.board.each, (APPLIED, FAILED)), strict=True)
        )

    def refused(self, generation: int) -> bool:
        """Whether a worker could not follow."""
        return generation in self._block.board.each(FAILED)

    def unloaded(self, version: str) -> None:
        """Count what was asked of a version among the others from now on."""
        for name in self._block.names():
            if name.startswith(_REQUESTS) and f'version="{version}"' in name:
                self._block.move(name, _VERSION.sub(f'version="{OTHER}"', name))
        self._requests.clear()

    def exposition(self, models: Iterable[Mapping[str, str]], more: Sequence[str] = ()) -> bytes:
        """All metrics in Prometheus' text format, and `more` lines of it; `models` are the labels
        of what is loaded."""
        labels = list(models)
        loaded = {NONE, OTHER, *(model["version"] for model in labels)}
        totals = self._block.board.totals()
        lines = [*_counters(totals, loaded), *_histogram(totals), *self._now(), *_info(labels)]
        return "\n".join([*lines, *more, ""]).encode()

    def _now(self) -> Iterator[str]:
        for name, (said, gauge) in _GAUGES.items():
            yield from _head(name, said, "gauge")
            yield f"{name} {self.everywhere(gauge)}"


def _head(name: str, said: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {said}", f"# TYPE {name} {kind}"


def _counters(totals: Mapping[str, int], loaded: set[str]) -> Iterator[str]:
    for family, said in _COUNTERS.items():
        found: dict[str, int] = {}
        for name, number in totals.items():
            if name.partition("{")[0] == family:
                shown = _folded(name, loaded)
                found[shown] = found.get(shown, 0) + number
        if found:
            yield from _head(family, said, "counter")
            yield from (f"{name} {number}" for name, number in sorted(found.items()))


def _folded(name: str, loaded: set[str]) -> str:
    """The name of a series, whose version may be one that another worker has unloaded already."""
    version = _VERSION.search(name)
    if version is None or version[1] in loaded:
        return name
    return _VERSION.sub(f'version="{OTHER}"', name)


def _histogram(totals: Mapping[str, int]) -> Iterator[str]:
    yield from _head(_SECONDS, "Time from a whole request to its answer", "histogram")
    count = 0
    for limit in (*map(str, BUCKETS), "+Inf"):
        name = f'{_SECONDS}_bucket{{le="{limit}"}}'
        count += totals[name]
        yield f"{name} {count}"
    yield f"{_SECONDS}_sum {totals[f'{_SECONDS}_sum'] / _NANOSECONDS}"
    yield f"{_SECONDS}_count {count}"


def _info(models: Iterable[Mapping[str, str]]) -> Iterator[str]:
    yield from _head("mlops_model_info", "The models that answer", "gauge")
    for model in models:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in model.items())
        yield f"mlops_model_info{{{labels}}} 1"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
