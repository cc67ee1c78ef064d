"""One worker's versions, kept those of the roster: loaded, proven, and unloaded."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import sys
from contextlib import suppress
from pathlib import Path

from mlops_cli.bundle.manifest import short
from mlops_cli.errors import BundleError, MlopsError
from mlops_cli.serving.golden import replay
from mlops_cli.serving.metrics import APPLIED, FAILED, Metrics
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.roster import Entry, Roster, Wanted
from mlops_cli.serving.served import Served, Stores
from mlops_cli.serving.trust import open_trusted
from mlops_cli.serving.versions import Versions

log = logging.getLogger(__name__)


class Follower:
    """Follows `roster` with the versions of one worker, and shows in `metrics` how far it is.

    Bundles bear a signature by one of the keys `trust`, where there are any.
    """

    def __init__(
        self,
        roster: Roster,
        versions: Versions,
        metrics: Metrics,
        stores: Stores | None = None,
        trust: str | None = None,
    ) -> None:
        self._roster = roster
        self._versions = versions
        self._metrics = metrics
        self._stores = stores
        self._trust = trust
        self._applied = 0
        self._turn = asyncio.Lock()

    @property
    def behind(self) -> bool:
        """Whether the roster is another one than was followed last."""
        return self._applied != self._roster.generation

    def catch_up(self) -> None:
        """Follow before the first request is taken: a worker that was replaced has them all, too.

        One that cannot be loaded any more is logged, and lacks.
        """
        generation, wanted = self._roster.read()
        for entry in self._lacking(wanted):
            try:
                self._versions.add(self._load(entry))
            except MlopsError as e:
                log.error("version %s is lost on this worker: %s", short(entry.digest), e.message)
        self._finish(generation, wanted)

    async def follow(self) -> None:
        """Load what lacks beside the requests, then unload what is wanted no more."""
        async with self._turn:
            if not self.behind:
                return
            generation, wanted = self._roster.read()
            try:
                for entry in self._lacking(wanted):
                    self._versions.add(await asyncio.to_thread(self._load, entry))
            except MlopsError as e:
                log.error("version %s cannot be loaded: %s", short(entry.digest), e.message)
                self._applied = generation
                self._metrics.show(FAILED, generation)
                return
            self._finish(generation, wanted)

    def _load(self, entry: Entry) -> Served:
        return load_served(entry, self._stores, self._trust)

    def _lacking(self, wanted: Wanted) -> list[Entry]:
        return [e for e in wanted.entries if short(e.digest) not in self._versions.loaded]

    def _finish(self, generation: int, wanted: Wanted) -> None:
        self._versions.make_default(short(wanted.default))
        kept = {short(entry.digest) for entry in wanted.entries}
        gone = [version for version in self._versions.loaded if version not in kept]
        for version in gone:
            self._versions.remove(version)
            self._metrics.unloaded(version)
        self._applied = generation
        self._metrics.show(APPLIED, generation)
        if gone:
            _give_back()


def load_served(entry: Entry, stores: Stores | None = None, trust: str | None = None) -> Served:
    """A version from its folder, its golden rows reproduced; raises `MlopsError`."""
    bundle = open_trusted(Path(entry.path), trust)
    if bundle.digest != entry.digest:
        raise BundleError(f"{entry.path} holds {bundle.version}, not {short(entry.digest)}")
    predictor = open_predictor(bundle)
    replay(bundle, predictor)
    return Served(bundle, predictor, stores)


def _give_back() -> None:
    """Return to the system what a version has left: allocators keep it for later."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library than GNU's
            ctypes.CDLL(None).malloc_trim(0)
