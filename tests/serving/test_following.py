"""A worker that follows the roster: what it unloads it gives back, what it cannot load it says."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import psutil
import pytest

import bundles
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.serving.following import Follower
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.roster import Entry, Roster, Wanted
from mlops_cli.serving.served import Served
from mlops_cli.serving.versions import Versions


def _entry(bundle: Bundle) -> Entry:
    return Entry(str(bundle.path), bundle.digest)


class Worker:
    """One that serves `first`, and may be told of others."""

    def __init__(self, first: Bundle) -> None:
        self.roster = Roster(_entry(first))
        self.versions = Versions(Served(first, open_predictor(first)))
        self.metrics = Metrics()
        self.follower = Follower(self.roster, self.versions, self.metrics)
        self.follower.catch_up()

    async def follow(self, *wanted: Bundle) -> int:
        """Have these, of which the first is the default; the generation."""
        entries = tuple(map(_entry, wanted))
        generation = self.roster.write(Wanted(entries, entries[0].digest))
        await self.follower.follow()
        return generation


@pytest.mark.slow
@pytest.mark.parametrize("swaps", [30, 100])
def test_memory_is_given_back_over_many_swaps(
    binary: bundles.Sample, tmp_path: Path, swaps: int
) -> None:
    first = open_bundle(binary.path)
    rows = bundles.events(100)
    x = bundles.matrix(rows)
    fitted = bundles.fit("binary", x, rounds=2000)
    golden = bundles.golden("binary", rows, x, fitted.predict(x))
    bundles.write_fitted(tmp_path / "large", "binary", fitted, golden)
    second = open_bundle(tmp_path / "large")

    async def swapped() -> list[int]:
        worker, held = Worker(first), []
        for _ in range(swaps):
            await worker.follow(first, second)
            await worker.follow(second, first)
            await worker.follow(first)
            held.append(psutil.Process().memory_info().rss)
        return held

    held = asyncio.run(swapped())
    # What the allocator keeps has settled after some eighteen, but for a megabyte that comes and
    # goes; a model that stayed would stay each time.
    settled = 2 * swaps // 3
    before, after = min(held[settled - 5 : settled]), min(held[-5:])
    assert after < before + second.model_file.stat().st_size


def test_what_cannot_be_loaded_is_told_and_changes_nothing(
    binary: bundles.Sample, tmp_path: Path
) -> None:
    first = open_bundle(binary.path)
    other = open_bundle(bundles.write(tmp_path / "other", n=180).path)

    async def followed() -> None:
        worker = Worker(first)
        shutil.rmtree(other.path)
        generation = await worker.follow(other, first)
        assert worker.metrics.followed(generation)
        assert worker.metrics.refused(generation)
        assert worker.versions.default.version == first.version
        assert list(worker.versions.loaded) == [first.version]
        generation = await worker.follow(first)
        assert worker.metrics.followed(generation)
        assert not worker.metrics.refused(generation)

    asyncio.run(followed())
