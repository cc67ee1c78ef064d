"""The versions of the model that one process answers with, and the one that is the default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.served import CANDIDATE, CHAMPION, Served, Version
from mlops_cli.serving.split import Split


class Versions:
    """Those that are loaded, by version. `default` answers where a request names none.

    While a rollout runs, `split` divides what is asked, and `beside` is the version that another
    process answers for.
    """

    def __init__(self, default: Served) -> None:
        self.default = default
        self.loaded = {default.version: default}
        self.split: Split | None = None
        self.beside: Version | None = None

    def add(self, served: Served) -> None:
        """Answer with a version, too, where it is named."""
        self.loaded = {**self.loaded, served.version: served}
        served.variant = CANDIDATE

    def make_default(self, version: str) -> None:
        """Answer with a loaded version where a request names none."""
        self.default.variant = CANDIDATE
        self.default = self.loaded[version]
        self.default.variant = CHAMPION

    def remove(self, version: str) -> None:
        """Answer no longer with a version that is not the default."""
        self.loaded = {v: served for v, served in self.loaded.items() if v != version}

    def described(self) -> list[dict[str, Any]]:
        """What each is, the default first."""
        ordered = sorted(self._all(), key=lambda served: served is not self.default)
        return [
            {
                "model": served.model,
                "version": served.version,
                "digest": served.bundle.digest,
                "default": served is self.default,
            }
            for served in ordered
        ]

    def labels(self) -> Iterator[dict[str, str]]:
        """See `Served.labels`, of each."""
        return (served.labels for served in self._all())

    def _all(self) -> Iterator[Version]:
        yield from self.loaded.values()
        if self.beside is not None and self.beside.version not in self.loaded:
            yield self.beside

    def known(self, name: str | None = None, version: str | None = None) -> Version:
        """As `find`, whoever answers for it."""
        beside = self.beside
        if beside is not None and version == beside.version and name in (None, beside.model):
            return self.loaded.get(version, beside)
        return self.find(name, version)

    async def completed(self, asked: Version, body: bytes) -> bytes:
        """A body of our own protocol with the features that are looked up; raises `RequestError`.

        While a rollout runs, its candidate looks up what the champion does.
        """
        online = (asked if asked.version in self.loaded else self.default).online
        return body if online is None else await online.body(body)

    def names(self, first: Version) -> list[str]:
        """The versions of a model that may be named, `first` first."""
        others = (v.version for v in self._all() if v.model == first.model)
        return list(dict.fromkeys([first.version, *others]))

    def find(self, name: str | None = None, version: str | None = None) -> Served:
        """The version that a path names; raises `RequestError` (404) where none is loaded so."""
        served = self.default if version is None else self.loaded.get(version)
        if served is None or name not in (None, served.model):
            asked = " ".join(part[:80] for part in (name, version) if part is not None)
            raise RequestError(404, f"there is no model {asked}")
        return served
